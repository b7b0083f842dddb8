#include "plugin.h"

#include "../common/log.h"
#include "launch.h"

#include <new>

namespace yolact {
namespace {

using nvinfer1::DataType;
using nvinfer1::Dims;

enum Input : int32_t { kProto, kCoefs, kBoxes, kInputs };
constexpr int32_t kOutputs = 1;

MaskSizes sizes_of(Dims const& proto, Dims const& coefs) noexcept {
    return {size_of(proto, 0), size_of(proto, 1), size_of(proto, 2), size_of(proto, 3), size_of(coefs, 1)};
}

// Whether the inputs fit together and are within what the kernel takes.
bool are_shapes_valid(Dims const& proto, Dims const& coefs, Dims const& boxes) noexcept {
    char const* op = MaskAssemblyPlugin::kName;
    if (!has_rank(op, "proto", proto, 4) || !has_rank(op, "coefs", coefs, 3) || !has_rank(op, "boxes", boxes, 3)) {
        return false;
    }
    if (!agree(op, "the batches of coefs and proto", coefs.d[0], proto.d[0]) ||
        !agree(op, "the batches of boxes and proto", boxes.d[0], proto.d[0]) ||
        !agree(op, "the detections of boxes and coefs", boxes.d[1], coefs.d[1]) ||
        !agree(op, "the numbers of coefficients in coefs and proto", coefs.d[2], proto.d[3]) ||
        !agree(op, "the coordinates of boxes and of a box", boxes.d[2], 4)) {
        return false;
    }
    char const* problem = out_of_range(sizes_of(proto, coefs));
    if (problem != nullptr) log_error(op, "%s", problem);
    return problem == nullptr;
}

}  // namespace

nvinfer1::PluginFieldCollection const* MaskAssemblyPlugin::fields() noexcept {
    static nvinfer1::PluginFieldCollection const none{0, nullptr};
    return &none;
}

nvinfer1::IPluginV3* MaskAssemblyPlugin::create(Attributes const& attributes) noexcept {
    return attributes.has_only({}) ? new (std::nothrow) MaskAssemblyPlugin : nullptr;
}

nvinfer1::IPluginV3* MaskAssemblyPlugin::clone() noexcept { return new (std::nothrow) MaskAssemblyPlugin; }

int32_t MaskAssemblyPlugin::getOutputDataTypes(
    DataType* outputs, int32_t output_count, DataType const* inputs, int32_t input_count) const noexcept {
    if (!has_counts(kName, input_count, output_count, kInputs, kOutputs)) return kFailed;
    outputs[0] = inputs[kProto];
    return kDone;
}

int32_t MaskAssemblyPlugin::getOutputShapes(nvinfer1::DimsExprs const* inputs, int32_t input_count,
    nvinfer1::DimsExprs const*, int32_t, nvinfer1::DimsExprs* outputs, int32_t output_count,
    nvinfer1::IExprBuilder&) noexcept {
    if (!has_counts(kName, input_count, output_count, kInputs, kOutputs)) return kFailed;
    if (inputs[kProto].nbDims != 4 || inputs[kCoefs].nbDims != 3) {
        log_error(kName, "proto needs 4 dimensions and coefs 3");
        return kFailed;
    }
    outputs[0] = {4, {inputs[kProto].d[0], inputs[kCoefs].d[1], inputs[kProto].d[1], inputs[kProto].d[2]}};
    return kDone;
}

bool MaskAssemblyPlugin::supportsFormatCombination(int32_t position, nvinfer1::DynamicPluginTensorDesc const* tensors,
    int32_t input_count, int32_t output_count) noexcept {
    if (!has_counts(kName, input_count, output_count, kInputs, kOutputs)) return false;
    nvinfer1::PluginTensorDesc const& desc = tensors[position].desc;
    switch (position) {
        case kProto: return is_linear_float_or_half(desc);
        case kCoefs:
        case kInputs: return is_linear(desc, tensors[kProto].desc.type);
        case kBoxes: return is_linear(desc, DataType::kFLOAT);
        default: return false;
    }
}

int32_t MaskAssemblyPlugin::configurePlugin(nvinfer1::DynamicPluginTensorDesc const* in, int32_t input_count,
    nvinfer1::DynamicPluginTensorDesc const*, int32_t output_count) noexcept {
    if (!has_counts(kName, input_count, output_count, kInputs, kOutputs)) return kFailed;
    return are_shapes_valid(in[kProto].max, in[kCoefs].max, in[kBoxes].max) ? kDone : kFailed;
}

int32_t MaskAssemblyPlugin::onShapeChange(nvinfer1::PluginTensorDesc const* in, int32_t input_count,
    nvinfer1::PluginTensorDesc const*, int32_t output_count) noexcept {
    if (!has_counts(kName, input_count, output_count, kInputs, kOutputs)) return kFailed;
    return are_shapes_valid(in[kProto].dims, in[kCoefs].dims, in[kBoxes].dims) ? kDone : kFailed;
}

cudaError_t MaskAssemblyPlugin::launch(nvinfer1::PluginTensorDesc const* in, nvinfer1::PluginTensorDesc const*,
    void const* const* inputs, void* const* outputs, void*, cudaStream_t stream) const noexcept {
    MaskTensors const tensors{
        inputs[kProto], inputs[kCoefs], static_cast<float const*>(inputs[kBoxes]), outputs[0]};
    MaskSizes const sizes = sizes_of(in[kProto].dims, in[kCoefs].dims);
    return launch_mask_assembly(element_type(in[kProto].type), sizes, tensors, stream);
}

}  // namespace yolact
