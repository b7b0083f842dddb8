#include "engine.h"

#include <algorithm>
#include <dlfcn.h>
#include <filesystem>
#include <fstream>
#include <iterator>

namespace {

constexpr char const* kInput = "image";

void check(cudaError_t error, char const* doing) {
    if (error != cudaSuccess) throw std::runtime_error(std::string(doing) + ": " + cudaGetErrorString(error));
}

struct Freed {
    void operator()(void* memory) const { cudaFree(memory); }
    void operator()(cudaStream_t stream) const { cudaStreamDestroy(stream); }
};
using DeviceMemory = std::unique_ptr<void, Freed>;
using Stream = std::unique_ptr<CUstream_st, Freed>;

DeviceMemory allocate(std::size_t bytes) {
    void* data = nullptr;
    check(cudaMalloc(&data, std::max<std::size_t>(bytes, 1)), "allocating GPU memory");
    return DeviceMemory(data);
}

Stream create_stream() {
    cudaStream_t stream = nullptr;
    check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "creating a CUDA stream");
    return Stream(stream);
}

std::size_t bytes_of(nvinfer1::DataType type, nvinfer1::Dims const& shape, std::string const& name) {
    bool const has_four_bytes = type == nvinfer1::DataType::kFLOAT || type == nvinfer1::DataType::kINT32;
    if (!has_four_bytes) throw std::runtime_error("output " + name + " is neither float32 nor int32");
    std::size_t bytes = 4;
    for (std::int32_t axis = 0; axis < shape.nbDims; ++axis) {
        if (shape.d[axis] < 0) throw std::runtime_error("output " + name + " has no size before it is computed");
        bytes *= static_cast<std::size_t>(shape.d[axis]);
    }
    return bytes;
}

std::vector<char> read_file(std::string const& path) {
    std::ifstream file(path, std::ios::binary);
    std::vector<char> bytes{std::istreambuf_iterator<char>(file), {}};
    if (bytes.empty()) throw std::runtime_error(path + ": cannot be read, or is empty");
    return bytes;
}

std::string text_of(nvinfer1::Dims const& shape) {
    std::string text;
    for (std::int32_t axis = 0; axis < shape.nbDims; ++axis) text += (axis ? "x" : "") + std::to_string(shape.d[axis]);
    return text;
}

// TensorRT crashes in a plugin library of another major version, so it is asked for its own before it is loaded.
void check_plugins(std::string const& library) {
    void* const opened = dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (opened == nullptr) throw std::runtime_error(library + ": cannot be loaded (" + dlerror() + ")");
    auto const major = reinterpret_cast<std::int32_t (*)()>(dlsym(opened, "yolact_plugins_tensorrt_major"));
    if (major == nullptr) throw std::runtime_error(library + ": is no plugin library of yolact-deploy");
    if (major() == NV_TENSORRT_MAJOR) return;
    throw std::runtime_error(library + ": was compiled for TensorRT " + std::to_string(major()) +
        ", this program for " + std::to_string(NV_TENSORRT_MAJOR) + ": run yolact-deploy build-plugins");
}

}  // namespace

void Logger::log(Severity severity, char const* message) noexcept {
    if (severity > Severity::kERROR) return;
    try {
        if (first_error_.empty()) first_error_ = message;
    } catch (...) {  // no memory for a message
    }
}

std::runtime_error Logger::failed(std::string const& what) const {
    return std::runtime_error(first_error_.empty() ? what : what + " (" + first_error_ + ")");
}

Engine::Engine(std::string const& path, std::string const& plugins) {
    std::vector<char> const plan = read_file(path);
    runtime_.reset(nvinfer1::createInferRuntime(logger_));
    if (!runtime_) throw logger_.failed("TensorRT does not start: is there an NVIDIA GPU and its driver?");
    // A bare name would be looked for in the system's folders only.
    std::string const library = plugins.empty() ? plugins : std::filesystem::absolute(plugins).string();
    if (!library.empty()) check_plugins(library);
    if (!library.empty() && runtime_->getPluginRegistry().loadLibrary(library.c_str()) == nullptr) {
        throw logger_.failed(plugins + ": TensorRT cannot load this plugin library");
    }
    engine_.reset(runtime_->deserializeCudaEngine(plan.data(), plan.size()));
    if (!engine_) throw logger_.failed(path + ": TensorRT cannot open this engine: was it built here?");
    context_.reset(engine_->createExecutionContext());
    if (!context_) throw logger_.failed(path + ": not enough GPU memory to run this engine");
    if (engine_->getTensorIOMode(kInput) != nvinfer1::TensorIOMode::kINPUT ||
        engine_->getTensorDataType(kInput) != nvinfer1::DataType::kUINT8) {
        throw std::runtime_error(path + ": has no uint8 input named image: export the model with --input image");
    }
}

void Engine::set_input(Image const& image) {
    if (context_->setInputShape(kInput, nvinfer1::Dims4(1, image.height, image.width, 3))) return;
    auto const limit = [&](nvinfer1::OptProfileSelector which) {
        return text_of(engine_->getProfileShape(kInput, 0, which));
    };
    throw std::runtime_error("an image of " + std::to_string(image.height) + "x" + std::to_string(image.width) +
        " px (height x width), one at a time, is outside what the engine takes: " +
        limit(nvinfer1::OptProfileSelector::kMIN) + " to " + limit(nvinfer1::OptProfileSelector::kMAX));
}

std::map<std::string, Tensor> Engine::run(Image const& image) {
    set_input(image);
    DeviceMemory const input = allocate(image.bgr.size());
    std::map<std::string, Tensor> outputs;
    std::map<std::string, DeviceMemory> memory;
    bool bound = context_->setTensorAddress(kInput, input.get());
    for (std::int32_t index = 0; index < engine_->getNbIOTensors(); ++index) {
        std::string const name = engine_->getIOTensorName(index);
        if (engine_->getTensorIOMode(name.c_str()) != nvinfer1::TensorIOMode::kOUTPUT) continue;
        Tensor tensor{engine_->getTensorDataType(name.c_str()), context_->getTensorShape(name.c_str()), {}};
        tensor.bytes.resize(bytes_of(tensor.type, tensor.shape, name));
        DeviceMemory const& device = memory[name] = allocate(tensor.bytes.size());
        bound = bound && context_->setTensorAddress(name.c_str(), device.get());
        outputs.emplace(name, std::move(tensor));
    }
    if (!bound) throw logger_.failed("TensorRT refuses memory for an input or output");
    Stream const stream = create_stream();  // ends before the memory that its work uses
    check(cudaMemcpyAsync(input.get(), image.bgr.data(), image.bgr.size(), cudaMemcpyHostToDevice, stream.get()),
        "copying the image to the GPU");
    if (!context_->enqueueV3(stream.get())) throw logger_.failed("TensorRT failed to run the engine");
    for (auto& [name, tensor] : outputs) {
        check(cudaMemcpyAsync(tensor.bytes.data(), memory.at(name).get(), tensor.bytes.size(), cudaMemcpyDeviceToHost,
                  stream.get()),
            "copying the results from the GPU");
    }
    check(cudaStreamSynchronize(stream.get()), "running the engine");
    return outputs;
}
