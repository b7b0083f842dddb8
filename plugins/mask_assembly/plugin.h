// YolactMaskAssembly for TensorRT. Inputs: proto [B,Hp,Wp,K] and coefs [B,D,K], both float or both half, and boxes
// [B,D,4] float. Output: masks [B,D,Hp,Wp], as proto. With mask_size="image" a fourth input, image [B,H,W,3] float, of
// which only the sizes are used, and masks [B,D,H,ceil(W/32)] int32, a bit a pixel.
#pragma once

#include "../common/attributes.h"
#include "../common/plugin.h"
#include "problem.h"

namespace yolact {

class MaskAssemblyPlugin final : public Plugin {
public:
    static constexpr char const* kName = "YolactMaskAssembly";
    static nvinfer1::PluginFieldCollection const* fields() noexcept;
    static nvinfer1::IPluginV3* create(Attributes const& attributes) noexcept;

    explicit MaskAssemblyPlugin(bool at_image_size) noexcept;

    char const* getPluginName() const noexcept override { return kName; }
    nvinfer1::IPluginV3* clone() noexcept override;
    nvinfer1::PluginFieldCollection const* getFieldsToSerialize() noexcept override { return &serialized_; }

    int32_t getNbOutputs() const noexcept override { return 1; }
    int32_t getOutputDataTypes(nvinfer1::DataType* outputs, int32_t output_count, nvinfer1::DataType const* inputs,
        int32_t input_count) const noexcept override;
    int32_t getOutputShapes(nvinfer1::DimsExprs const* inputs, int32_t input_count, nvinfer1::DimsExprs const* shapes,
        int32_t shape_count, nvinfer1::DimsExprs* outputs, int32_t output_count,
        nvinfer1::IExprBuilder& builder) noexcept override;
    bool supportsFormatCombination(int32_t position, nvinfer1::DynamicPluginTensorDesc const* tensors,
        int32_t input_count, int32_t output_count) noexcept override;
    int32_t configurePlugin(nvinfer1::DynamicPluginTensorDesc const* in, int32_t input_count,
        nvinfer1::DynamicPluginTensorDesc const* out, int32_t output_count) noexcept override;
    int32_t onShapeChange(nvinfer1::PluginTensorDesc const* in, int32_t input_count,
        nvinfer1::PluginTensorDesc const* out, int32_t output_count) noexcept override;

protected:
    cudaError_t launch(nvinfer1::PluginTensorDesc const* in, nvinfer1::PluginTensorDesc const* out,
        void const* const* inputs, void* const* outputs, void* workspace, cudaStream_t stream) const noexcept override;

private:
    int32_t input_count() const noexcept { return at_image_size_ ? 4 : 3; }
    bool has_valid_counts(int32_t inputs, int32_t outputs) const noexcept;

    bool at_image_size_;
    nvinfer1::PluginField serialized_field_;
    nvinfer1::PluginFieldCollection serialized_;
};

}  // namespace yolact
