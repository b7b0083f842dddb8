#include "plugin.h"

#include "../common/log.h"
#include "launch.h"

#include <new>

namespace yolact {
namespace {

using nvinfer1::DataType;
using nvinfer1::Dims;

enum Input : int32_t { kProto, kCoefs, kBoxes, kImage };

constexpr char kMaskSize[] = "mask_size";
constexpr char kAtPrototypeSize[] = "prototype";
constexpr char kAtImageSize[] = "image";

ImageSize image_size_of(Dims const& image) noexcept { return {size_of(image, 1), size_of(image, 2)}; }

MaskSizes sizes_of(Dims const& proto, Dims const& coefs) noexcept {
    return {size_of(proto, 0), size_of(proto, 1), size_of(proto, 2), size_of(proto, 3), size_of(coefs, 1)};
}

}  // namespace

nvinfer1::PluginFieldCollection const* MaskAssemblyPlugin::fields() noexcept {
    static nvinfer1::PluginField const field{kMaskSize, nullptr, nvinfer1::PluginFieldType::kCHAR, 1};
    static nvinfer1::PluginFieldCollection const collection{1, &field};
    return &collection;
}

nvinfer1::IPluginV3* MaskAssemblyPlugin::create(Attributes const& attributes) noexcept {
    int32_t choice = 0;
    if (!attributes.has_only({kMaskSize}) ||
        !attributes.read_choice(kMaskSize, {kAtPrototypeSize, kAtImageSize}, &choice)) {
        return nullptr;
    }
    return new (std::nothrow) MaskAssemblyPlugin(choice == 1);
}

MaskAssemblyPlugin::MaskAssemblyPlugin(bool at_image_size) noexcept
    : at_image_size_(at_image_size),
      serialized_field_(kMaskSize, at_image_size ? kAtImageSize : kAtPrototypeSize, nvinfer1::PluginFieldType::kCHAR,
          static_cast<int32_t>(at_image_size ? sizeof kAtImageSize : sizeof kAtPrototypeSize) - 1),
      serialized_{1, &serialized_field_} {}

nvinfer1::IPluginV3* MaskAssemblyPlugin::clone() noexcept {
    return new (std::nothrow) MaskAssemblyPlugin(at_image_size_);
}

int32_t MaskAssemblyPlugin::count_inputs() const noexcept { return at_image_size_ ? 4 : 3; }

int32_t MaskAssemblyPlugin::count_outputs() const noexcept { return 1; }

void MaskAssemblyPlugin::describe_types(DataType const* inputs, DataType* outputs) const noexcept {
    outputs[0] = at_image_size_ ? DataType::kINT32 : inputs[kProto];
}

bool MaskAssemblyPlugin::describe_shapes(nvinfer1::DimsExprs const* inputs, nvinfer1::DimsExprs* outputs,
    nvinfer1::IExprBuilder& builder) const noexcept {
    if (inputs[kProto].nbDims != 4 || inputs[kCoefs].nbDims != 3 || (at_image_size_ && inputs[kImage].nbDims != 4)) {
        log_error(kName, "proto needs 4 dimensions, coefs 3 and image 4");
        return false;
    }
    nvinfer1::IDimensionExpr const* height = inputs[kProto].d[1];
    nvinfer1::IDimensionExpr const* width = inputs[kProto].d[2];
    if (at_image_size_) {
        height = inputs[kImage].d[1];
        width = builder.operation(
            nvinfer1::DimensionOperation::kCEIL_DIV, *inputs[kImage].d[2], *builder.constant(kWordPixels));
    }
    outputs[0] = {4, {inputs[kProto].d[0], inputs[kCoefs].d[1], height, width}};
    return true;
}

bool MaskAssemblyPlugin::accepts_format(
    int32_t position, nvinfer1::DynamicPluginTensorDesc const* tensors) const noexcept {
    nvinfer1::PluginTensorDesc const& desc = tensors[position].desc;
    if (position == count_inputs()) {
        return is_linear(desc, at_image_size_ ? DataType::kINT32 : tensors[kProto].desc.type);
    }
    switch (position) {
        case kProto: return is_linear_float_or_half(desc);
        case kCoefs: return is_linear(desc, tensors[kProto].desc.type);
        case kBoxes:
        case kImage: return is_linear(desc, DataType::kFLOAT);
        default: return false;
    }
}

bool MaskAssemblyPlugin::accepts_shapes(Dims const* inputs) const noexcept {
    Dims const &proto = inputs[kProto], &coefs = inputs[kCoefs], &boxes = inputs[kBoxes];
    if (!has_rank(kName, "proto", proto, 4) || !has_rank(kName, "coefs", coefs, 3) ||
        !has_rank(kName, "boxes", boxes, 3)) {
        return false;
    }
    if (!agree(kName, "the batches of coefs and proto", coefs.d[0], proto.d[0]) ||
        !agree(kName, "the batches of boxes and proto", boxes.d[0], proto.d[0]) ||
        !agree(kName, "the detections of boxes and coefs", boxes.d[1], coefs.d[1]) ||
        !agree(kName, "the numbers of coefficients in coefs and proto", coefs.d[2], proto.d[3]) ||
        !agree(kName, "the coordinates of boxes and of a box", boxes.d[2], 4)) {
        return false;
    }
    if (!is_in_range(kName, out_of_range(sizes_of(proto, coefs)))) return false;
    return !at_image_size_ || accepts_image(inputs[kImage], proto);
}

bool MaskAssemblyPlugin::accepts_image(Dims const& image, Dims const& proto) const noexcept {
    return has_rank(kName, "image", image, 4) &&
        agree(kName, "the batches of image and proto", image.d[0], proto.d[0]) &&
        is_in_range(kName, out_of_range(image_size_of(image)));
}

cudaError_t MaskAssemblyPlugin::launch(nvinfer1::PluginTensorDesc const* in, nvinfer1::PluginTensorDesc const*,
    void const* const* inputs, void* const* outputs, void*, cudaStream_t stream) const noexcept {
    MaskTensors const tensors{
        inputs[kProto], inputs[kCoefs], static_cast<float const*>(inputs[kBoxes]), outputs[0]};
    MaskSizes const sizes = sizes_of(in[kProto].dims, in[kCoefs].dims);
    ElementType const type = element_type(in[kProto].type);
    if (!at_image_size_) return launch_mask_assembly(type, sizes, tensors, stream);
    return launch_image_masks(type, sizes, image_size_of(in[kImage].dims), tensors, stream);
}

}  // namespace yolact
