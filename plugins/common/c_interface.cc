// The launchers for programs without TensorRT: yolact_deploy/trt/kernel_library.py calls them through ctypes.
#include "../fast_nms/launch.h"
#include "../mask_assembly/launch.h"

#define YOLACT_EXPORT extern "C" __attribute__((visibility("default")))

YOLACT_EXPORT size_t yolact_fast_nms_workspace_bytes(
    yolact::FastNmsSizes const* sizes, yolact::FastNmsSettings const* settings) {
    return yolact::carve_workspace(*sizes, *settings, nullptr).bytes;
}

namespace {

yolact::ElementType type_of(int is_half) {
    return is_half ? yolact::ElementType::kHalf : yolact::ElementType::kFloat;
}

}  // namespace

// Each of the following returns CUDA's error code. is_half: tensors that may be either are half, otherwise float;
// pointers are the GPU's.
YOLACT_EXPORT int yolact_launch_fast_nms(int is_half, yolact::FastNmsSizes const* sizes,
    yolact::FastNmsSettings const* settings, yolact::FastNmsTensors const* tensors, void* workspace, void* stream) {
    return yolact::launch_fast_nms(
        type_of(is_half), *sizes, *settings, *tensors, workspace, static_cast<cudaStream_t>(stream));
}

// One kernel of it.
YOLACT_EXPORT int yolact_launch_fast_nms_kernel(yolact::FastNmsKernel kernel, int is_half,
    yolact::FastNmsSizes const* sizes, yolact::FastNmsSettings const* settings, yolact::FastNmsTensors const* tensors,
    void* workspace, void* stream) {
    return yolact::launch_fast_nms_kernel(
        kernel, type_of(is_half), *sizes, *settings, *tensors, workspace, static_cast<cudaStream_t>(stream));
}

YOLACT_EXPORT int yolact_launch_mask_assembly(
    int is_half, yolact::MaskSizes const* sizes, yolact::MaskTensors const* tensors, void* stream) {
    return yolact::launch_mask_assembly(type_of(is_half), *sizes, *tensors, static_cast<cudaStream_t>(stream));
}

YOLACT_EXPORT int yolact_launch_image_masks(int is_half, yolact::MaskSizes const* sizes,
    yolact::ImageSize const* image, yolact::MaskTensors const* tensors, void* stream) {
    return yolact::launch_image_masks(type_of(is_half), *sizes, *image, *tensors, static_cast<cudaStream_t>(stream));
}
