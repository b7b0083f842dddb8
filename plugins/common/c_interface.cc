// The launchers for programs without TensorRT: benchmarks/kernels.py calls them through ctypes.
#include "../fast_nms/launch.h"
#include "../mask_assembly/launch.h"

#define YOLACT_EXPORT extern "C" __attribute__((visibility("default")))

YOLACT_EXPORT size_t yolact_fast_nms_workspace_bytes(
    yolact::FastNmsSizes const* sizes, yolact::FastNmsSettings const* settings) {
    return yolact::carve_workspace(*sizes, *settings, nullptr).bytes;
}

// Each returns CUDA's error code. is_half: as in the operators' host.h; pointers are the GPU's.
YOLACT_EXPORT int yolact_launch_fast_nms(int is_half, yolact::FastNmsSizes const* sizes,
    yolact::FastNmsSettings const* settings, yolact::FastNmsTensors const* tensors, void* workspace, void* stream) {
    auto const type = is_half ? yolact::ElementType::kHalf : yolact::ElementType::kFloat;
    return yolact::launch_fast_nms(type, *sizes, *settings, *tensors, workspace, static_cast<cudaStream_t>(stream));
}

YOLACT_EXPORT int yolact_launch_mask_assembly(
    int is_half, yolact::MaskSizes const* sizes, yolact::MaskTensors const* tensors, void* stream) {
    auto const type = is_half ? yolact::ElementType::kHalf : yolact::ElementType::kFloat;
    return yolact::launch_mask_assembly(type, *sizes, *tensors, static_cast<cudaStream_t>(stream));
}
