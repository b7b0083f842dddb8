// TensorRT's side of the plugin interfaces, as far as a plugin sees it: expressions for sizes, and a logger.
#pragma once

#include <NvInferRuntime.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <deque>

#define REQUIRE(condition)                                                        \
    do {                                                                          \
        if (!(condition)) {                                                       \
            std::fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);  \
            std::exit(3);                                                         \
        }                                                                         \
    } while (false)

class Size final : public nvinfer1::IDimensionExpr {
public:
    explicit Size(int64_t value) : impl_(value) { mImpl = &impl_; }

private:
    struct Impl final : nvinfer1::apiv::VDimensionExpr {
        explicit Impl(int64_t value) : value_(value) {}
        bool isConstant() const override { return true; }
        int64_t getConstantValue() const override { return value_; }
        bool isSizeTensor() const override { return false; }
        int64_t value_;
    };
    Impl impl_;
};

// Sizes are known numbers here, and plugins of this project only divide them, rounding up.
class SizeBuilder final : public nvinfer1::IExprBuilder {
public:
    SizeBuilder() { mImpl = &impl_; }

private:
    struct Impl final : nvinfer1::apiv::VExprBuilder {
        nvinfer1::IDimensionExpr const* constant(int64_t value) override { return &sizes_.emplace_back(value); }
        nvinfer1::IDimensionExpr const* operation(nvinfer1::DimensionOperation operation,
            nvinfer1::IDimensionExpr const& first, nvinfer1::IDimensionExpr const& second) override {
            REQUIRE(operation == nvinfer1::DimensionOperation::kCEIL_DIV);
            int64_t const divisor = second.getConstantValue();
            return constant((first.getConstantValue() + divisor - 1) / divisor);
        }
        nvinfer1::IDimensionExpr const* declareSizeTensor(
            int32_t, nvinfer1::IDimensionExpr const&, nvinfer1::IDimensionExpr const&) override {
            return nullptr;
        }
        std::deque<Size> sizes_;
    };
    Impl impl_;
};

class StdoutLogger final : public nvinfer1::ILogger, public nvinfer1::ILoggerFinder {
public:
    void log(Severity, char const* message) noexcept override { std::printf("log: %s\n", message); }
    nvinfer1::ILogger* findLogger() override { return this; }
};
