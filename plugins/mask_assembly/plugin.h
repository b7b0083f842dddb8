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

protected:
    int32_t count_inputs() const noexcept override;
    int32_t count_outputs() const noexcept override;
    void describe_types(nvinfer1::DataType const* inputs, nvinfer1::DataType* outputs) const noexcept override;
    bool describe_shapes(nvinfer1::DimsExprs const* inputs, nvinfer1::DimsExprs* outputs,
        nvinfer1::IExprBuilder& builder) const noexcept override;
    bool accepts_format(int32_t position, nvinfer1::DynamicPluginTensorDesc const* tensors) const noexcept override;
    bool accepts_shapes(nvinfer1::Dims const* inputs) const noexcept override;
    cudaError_t launch(nvinfer1::PluginTensorDesc const* in, nvinfer1::PluginTensorDesc const* out,
        void const* const* inputs, void* const* outputs, void* workspace, cudaStream_t stream) const noexcept override;

private:
    bool accepts_image(nvinfer1::Dims const& image, nvinfer1::Dims const& proto) const noexcept;

    bool at_image_size_;
    nvinfer1::PluginField serialized_field_;
    nvinfer1::PluginFieldCollection serialized_;
};

}  // namespace yolact
