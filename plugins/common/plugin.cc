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

bool Plugin::has_counts(int32_t inputs, int32_t outputs) const noexcept {
    if (inputs == count_inputs() && outputs == count_outputs()) return true;
    log_error(getPluginName(), "the node has %d inputs and %d outputs, not %d and %d", static_cast<int>(inputs),
        static_cast<int>(outputs), static_cast<int>(count_inputs()), static_cast<int>(count_outputs()));
    return false;
}

int32_t Plugin::getOutputDataTypes(nvinfer1::DataType* outputs, int32_t output_count, nvinfer1::DataType const* inputs,
    int32_t input_count) const noexcept {
    if (!has_counts(input_count, output_count)) return kFailed;
    describe_types(inputs, outputs);
    return kDone;
}

int32_t Plugin::getOutputShapes(nvinfer1::DimsExprs const* inputs, int32_t input_count, nvinfer1::DimsExprs const*,
    int32_t, nvinfer1::DimsExprs* outputs, int32_t output_count, nvinfer1::IExprBuilder& builder) noexcept {
    return has_counts(input_count, output_count) && describe_shapes(inputs, outputs, builder) ? kDone : kFailed;
}

bool Plugin::supportsFormatCombination(int32_t position, nvinfer1::DynamicPluginTensorDesc const* tensors,
    int32_t input_count, int32_t output_count) noexcept {
    return has_counts(input_count, output_count) && accepts_format(position, tensors);
}

int32_t Plugin::configurePlugin(nvinfer1::DynamicPluginTensorDesc const* in, int32_t input_count,
    nvinfer1::DynamicPluginTensorDesc const*, int32_t output_count) noexcept {
    if (!has_counts(input_count, output_count)) return kFailed;
    nvinfer1::Dims shapes[kMostInputs];
    for (int32_t i = 0; i < input_count; ++i) shapes[i] = in[i].max;
    return accepts_shapes(shapes) ? kDone : kFailed;
}

int32_t Plugin::onShapeChange(nvinfer1::PluginTensorDesc const* in, int32_t input_count,
    nvinfer1::PluginTensorDesc const*, int32_t output_count) noexcept {
    if (!has_counts(input_count, output_count)) return kFailed;
    nvinfer1::Dims shapes[kMostInputs];
    for (int32_t i = 0; i < input_count; ++i) shapes[i] = in[i].dims;
    return accepts_shapes(shapes) ? kDone : kFailed;
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

bool is_in_range(char const* op, char const* problem) noexcept {
    if (problem != nullptr) log_error(op, "%s", problem);
    return problem == nullptr;
}

bool agree(char const* op, char const* what, int64_t a, int64_t b) noexcept {
    if (a == b) return true;
    log_error(op, "%s differ: %lld and %lld", what, static_cast<long long>(a), static_cast<long long>(b));
    return false;
}

}  // namespace yolact
