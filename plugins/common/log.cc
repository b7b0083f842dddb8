#include "log.h"

#include <atomic>
#include <cstdarg>
#include <cstdio>

namespace yolact {
namespace {

std::atomic<nvinfer1::ILoggerFinder*> logger_finder{nullptr};
constexpr int kMessageBytes = 512;

nvinfer1::ILogger* find_logger() noexcept {
    nvinfer1::ILoggerFinder* finder = logger_finder.load();
    try {
        return finder != nullptr ? finder->findLogger() : nullptr;
    } catch (...) {  // the interface promises nothing
        return nullptr;
    }
}

}  // namespace

void set_logger_finder(nvinfer1::ILoggerFinder* finder) noexcept { logger_finder = finder; }

void log_error(char const* op, char const* format, ...) noexcept {
    char message[kMessageBytes];
    int const start = std::snprintf(message, sizeof message, "%s: ", op);
    va_list arguments;
    va_start(arguments, format);
    std::vsnprintf(message + start, sizeof message - static_cast<size_t>(start), format, arguments);
    va_end(arguments);
    if (nvinfer1::ILogger* logger = find_logger()) {
        logger->log(nvinfer1::ILogger::Severity::kERROR, message);
    } else {
        std::fprintf(stderr, "%s\n", message);
    }
}

}  // namespace yolact
