// YolactFastNMS for TensorRT. Inputs: loc [B,N,4], conf [B,N,1+C], coef [B,N,K], all float or all half, and priors
// [N,4] float. Outputs: boxes [B,D,4] and scores [B,D] float, classes [B,D] int32, coefs [B,D,K] as coef,
// num_detections [B] int32.
#pragma once

#include "../common/attributes.h"
#include "../common/plugin.h"
#include "problem.h"

namespace yolact {

class FastNmsPlugin final : public Plugin {
public:
    static constexpr char const* kName = "YolactFastNMS";
    static nvinfer1::PluginFieldCollection const* fields() noexcept;
    static nvinfer1::IPluginV3* create(Attributes const& attributes) noexcept;

    explicit FastNmsPlugin(FastNmsSettings const& settings) noexcept;

    char const* getPluginName() const noexcept override { return kName; }
    nvinfer1::IPluginV3* clone() noexcept override;
    nvinfer1::PluginFieldCollection const* getFieldsToSerialize() noexcept override { return &serialized_; }
    size_t getWorkspaceSize(nvinfer1::DynamicPluginTensorDesc const* in, int32_t input_count,
        nvinfer1::DynamicPluginTensorDesc const* out, int32_t output_count) const noexcept override;

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
    static constexpr int32_t kFieldCount = 9;

    FastNmsSettings settings_;
    nvinfer1::PluginField serialized_fields_[kFieldCount];  // point into settings_
    nvinfer1::PluginFieldCollection serialized_;
};

}  // namespace yolact
