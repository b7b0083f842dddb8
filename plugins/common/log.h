// Messages to whoever uses the library: TensorRT's logger, or stderr where none was set.
#pragma once

#include <NvInferRuntime.h>

namespace yolact {

void set_logger_finder(nvinfer1::ILoggerFinder* finder) noexcept;

// As printf; the operator's name comes first. A message is cut at some 500 characters.
#if defined(__GNUC__)
__attribute__((format(printf, 2, 3)))
#endif
void log_error(char const* op, char const* format, ...) noexcept;

}  // namespace yolact
