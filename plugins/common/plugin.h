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

class Plugin : public nvinfer1::IPluginV3,
               public nvinfer1::IPluginV3OneCore,
               public nvinfer1::IPluginV3OneBuild,
               public nvinfer1::IPluginV3OneRuntime {
public:
    nvinfer1::IPluginCapability* getCapabilityInterface(nvinfer1::PluginCapabilityType type) noexcept final;
    char const* getPluginVersion() const noexcept final { return kPluginVersion; }
    char const* getPluginNamespace() const noexcept final { return kPluginNamespace; }
    nvinfer1::IPluginV3* attachToContext(nvinfer1::IPluginResourceContext* context) noexcept final;
    int32_t enqueue(nvinfer1::PluginTensorDesc const* in, nvinfer1::PluginTensorDesc const* out,
        void const* const* inputs, void* const* outputs, void* workspace, cudaStream_t stream) noexcept final;

protected:
    // Enqueue the work. Shapes and types are those that onShapeChange has accepted.
    virtual cudaError_t launch(nvinfer1::PluginTensorDesc const* in, nvinfer1::PluginTensorDesc const* out,
        void const* const* inputs, void* const* outputs, void* workspace, cudaStream_t stream) const noexcept = 0;
};

// Whether `desc` is a plain array of `type`.
bool is_linear(nvinfer1::PluginTensorDesc const& desc, nvinfer1::DataType type) noexcept;
bool is_linear_float_or_half(nvinfer1::PluginTensorDesc const& desc) noexcept;

inline ElementType element_type(nvinfer1::DataType type) noexcept {
    return type == nvinfer1::DataType::kHALF ? ElementType::kHalf : ElementType::kFloat;
}

// The sizes of a tensor of known rank. An unknown size counts as its largest.
inline int32_t size_of(nvinfer1::Dims const& dims, int32_t axis) noexcept {
    return static_cast<int32_t>(dims.d[axis]);
}

// False, after a message, unless `dims` has `rank` sizes.
bool has_rank(char const* op, char const* tensor, nvinfer1::Dims const& dims, int32_t rank) noexcept;

// False, after a message, unless the numbers agree: which two is said by `what`.
bool agree(char const* op, char const* what, int64_t a, int64_t b) noexcept;

// False, after a message, unless a node has so many inputs and outputs.
bool has_counts(
    char const* op, int32_t inputs, int32_t outputs, int32_t wanted_inputs, int32_t wanted_outputs) noexcept;

}  // namespace yolact
