#include "plugin.h"

#include "log.h"

namespace yolact {

nvinfer1::IPluginCapability* Plugin::getCapabilityInterface(nvinfer1::PluginCapabilityType type) noexcept {
    switch (type) {
        case nvinfer1::PluginCapabilityType::kCORE: return static_cast<nvinfer1::IPluginV3OneCore*>(this);
        case nvinfer1::PluginCapabilityType::kBUILD: return static_cast<nvinfer1::IPluginV3OneBuild*>(this);
        case nvinfer1::PluginCapabilityType::kRUNTIME: return static_cast<nvinfer1::IPluginV3OneRuntime*>(this);
    }
    return nullptr;
}

nvinfer1::IPluginV3* Plugin::attachToContext(nvinfer1::IPluginResourceContext*) noexcept { return clone(); }

int32_t Plugin::enqueue(nvinfer1::PluginTensorDesc const* in, nvinfer1::PluginTensorDesc const* out,
    void const* const* inputs, void* const* outputs, void* workspace, cudaStream_t stream) noexcept {
    cudaError_t const error = launch(in, out, inputs, outputs, workspace, stream);
    if (error == cudaSuccess) return kDone;
    if (error == cudaErrorNoKernelImageForDevice || error == cudaErrorInvalidDeviceFunction) {
        log_error(getPluginName(),
            "this plugin library was built for other GPUs (%s): run `yolact-deploy build-plugins`", error_text(error));
    } else {
        log_error(getPluginName(), "CUDA error %d (%s)", static_cast<int>(error), error_text(error));
    }
    return kFailed;
}

bool is_linear(nvinfer1::PluginTensorDesc const& desc, nvinfer1::DataType type) noexcept {
    return desc.format == nvinfer1::TensorFormat::kLINEAR && desc.type == type;
}

bool is_linear_float_or_half(nvinfer1::PluginTensorDesc const& desc) noexcept {
    return is_linear(desc, nvinfer1::DataType::kFLOAT) || is_linear(desc, nvinfer1::DataType::kHALF);
}

bool has_rank(char const* op, char const* tensor, nvinfer1::Dims const& dims, int32_t rank) noexcept {
    if (dims.nbDims == rank) return true;
    log_error(op, "%s has %d dimensions, not %d", tensor, static_cast<int>(dims.nbDims), static_cast<int>(rank));
    return false;
}

bool agree(char const* op, char const* what, int64_t a, int64_t b) noexcept {
    if (a == b) return true;
    log_error(op, "%s differ: %lld and %lld", what, static_cast<long long>(a), static_cast<long long>(b));
    return false;
}

bool has_counts(
    char const* op, int32_t inputs, int32_t outputs, int32_t wanted_inputs, int32_t wanted_outputs) noexcept {
    if (inputs == wanted_inputs && outputs == wanted_outputs) return true;
    log_error(op, "the node has %d inputs and %d outputs, not %d and %d", static_cast<int>(inputs),
        static_cast<int>(outputs), static_cast<int>(wanted_inputs), static_cast<int>(wanted_outputs));
    return false;
}

}  // namespace yolact
