// An engine of yolact-deploy, for one image at a time. TensorRT 10.3 to 11; every error is a std::runtime_error.
#pragma once

#include "image.h"

#include <NvInferRuntime.h>
#include <cuda_runtime_api.h>

#include <cstddef>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

// TensorRT explains failures through its logger, and only there.
class Logger final : public nvinfer1::ILogger {
public:
    void log(Severity severity, char const* message) noexcept override;

    // What went wrong, with the first reason that TensorRT gave.
    std::runtime_error failed(std::string const& what) const;

private:
    std::string first_error_;
};

// An output on the host.
struct Tensor {
    nvinfer1::DataType type;
    nvinfer1::Dims shape;
    std::vector<std::byte> bytes;

    template <class T>
    T const* data() const {
        return reinterpret_cast<T const*>(bytes.data());
    }
};

class Engine {
public:
    // plugins: the library that `yolact-deploy build-plugins` made, for an engine that uses it; else empty.
    Engine(std::string const& path, std::string const& plugins);

    // The outputs by name, for a batch of one image.
    std::map<std::string, Tensor> run(Image const& image);

private:
    void set_input(Image const& image);

    Logger logger_;  // outlives what follows
    std::unique_ptr<nvinfer1::IRuntime> runtime_;
    std::unique_ptr<nvinfer1::ICudaEngine> engine_;
    std::unique_ptr<nvinfer1::IExecutionContext> context_;
};
