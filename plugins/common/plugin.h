// What both plugins do alike for TensorRT 10 and 11: an operator's plugin adds its name, attributes, types, shapes and
// launcher. Nothing here or there throws, waits or calls TensorRT's libraries.
#pragma once

#include "launch.h"

#include <NvInferRuntime.h>

#include <cstdint>

namespace yolact {

inline constexpr char const* kPluginVersion = "1";
inline constexpr char const* kPluginNamespace = "yolact";

// TensorRT's status codes.
constexpr int32_t kDone = 0;
constexpr int32_t kFailed = -1;

// What an operator says of itself, and what all of them do with that.
class Plugin : public nvinfer1::IPluginV3,
               public nvinfer1::IPluginV3OneCore,
               public nvinfer1::IPluginV3OneBuild,
               public nvinfer1::IPluginV3OneRuntime {
public:
    nvinfer1::IPluginCapability* getCapabilityInterface(nvinfer1::PluginCapabilityType type) noexcept final;
    char const* getPluginVersion() const noexcept final { return kPluginVersion; }
    char const* getPluginNamespace() const noexcept final { return kPluginNamespace; }
    int32_t getNbOutputs() const noexcept final { return count_outputs(); }
    int32_t getOutputDataTypes(nvinfer1::DataType* outputs, int32_t output_count, nvinfer1::DataType const* inputs,
        int32_t input_count) const noexcept final;
    int32_t getOutputShapes(nvinfer1::DimsExprs const* inputs, int32_t input_count, nvinfer1::DimsExprs const* shapes,
        int32_t shape_count, nvinfer1::DimsExprs* outputs, int32_t output_count,
        nvinfer1::IExprBuilder& builder) noexcept final;
    bool supportsFormatCombination(int32_t position, nvinfer1::DynamicPluginTensorDesc const* tensors,
        int32_t input_count, int32_t output_count) noexcept final;
    int32_t configurePlugin(nvinfer1::DynamicPluginTensorDesc const* in, int32_t input_count,
        nvinfer1::DynamicPluginTensorDesc const* out, int32_t output_count) noexcept final;
    int32_t onShapeChange(nvinfer1::PluginTensorDesc const* in, int32_t input_count,
        nvinfer1::PluginTensorDesc const* out, int32_t output_count) noexcept final;
    nvinfer1::IPluginV3* attachToContext(nvinfer1::IPluginResourceContext* context) noexcept final;
    int32_t enqueue(nvinfer1::PluginTensorDesc const* in, nvinfer1::PluginTensorDesc const* out,
        void const* const* inputs, void* const* outputs, void* workspace, cudaStream_t stream) noexcept final;

protected:
    static constexpr int32_t kMostInputs = 4;

    virtual int32_t count_inputs() const noexcept = 0;  // up to kMostInputs
    virtual int32_t count_outputs() const noexcept = 0;

    // The following are asked only about nodes with so many inputs and outputs.

    virtual void describe_types(nvinfer1::DataType const* inputs, nvinfer1::DataType* outputs) const noexcept = 0;

    // False, after a message, when the inputs have other ranks.
    virtual bool describe_shapes(nvinfer1::DimsExprs const* inputs, nvinfer1::DimsExprs* outputs,
        nvinfer1::IExprBuilder& builder) const noexcept = 0;

    // Whether the tensor at `position`, inputs first, may have its type and layout; it may look at those before it.
    virtual bool accepts_format(
        int32_t position, nvinfer1::DynamicPluginTensorDesc const* tensors) const noexcept = 0;

    // False, after a message, unless the inputs fit together and are within what the kernels take.
    virtual bool accepts_shapes(nvinfer1::Dims const* inputs) const noexcept = 0;

    // Enqueue the work. Shapes and types are those that onShapeChange has accepted.
    virtual cudaError_t launch(nvinfer1::PluginTensorDesc const* in, nvinfer1::PluginTensorDesc const* out,
        void const* const* inputs, void* const* outputs, void* workspace, cudaStream_t stream) const noexcept = 0;

private:
    // False, after a message, unless a node has as many inputs and outputs as the operator.
    bool has_counts(int32_t inputs, int32_t outputs) const noexcept;
};

// Whether `desc` is a plain array of `type`.
bool is_linear(nvinfer1::PluginTensorDesc const& desc, nvinfer1::DataType type) noexcept;
bool is_linear_float_or_half(nvinfer1::PluginTensorDesc const& desc) noexcept;

inline ElementType element_type(nvinfer1::DataType type) noexcept {
    return type == nvinfer1::DataType::kHALF ? ElementType::kHalf : ElementType::kFloat;
}

// One size of a tensor of known rank.
inline int32_t size_of(nvinfer1::Dims const& dims, int32_t axis) noexcept {
    return static_cast<int32_t>(dims.d[axis]);
}

// False, after a message, unless `dims` has `rank` sizes.
bool has_rank(char const* op, char const* tensor, nvinfer1::Dims const& dims, int32_t rank) noexcept;

// False, after that message, when there is a `problem`.
bool is_in_range(char const* op, char const* problem) noexcept;

// False, after a message, unless the numbers agree: which two is said by `what`.
bool agree(char const* op, char const* what, int64_t a, int64_t b) noexcept;

}  // namespace yolact
