// Launchers that fail with the CUDA error of the environment variable CUDA_ERROR, in the place of the real ones.
#include "../../plugins/fast_nms/launch.h"
#include "../../plugins/mask_assembly/launch.h"

#include <cstdlib>

namespace yolact {
namespace {

cudaError_t chosen_error() {
    char const* code = std::getenv("CUDA_ERROR");
    return static_cast<cudaError_t>(code != nullptr ? std::atoi(code) : 0);
}

}  // namespace

cudaError_t launch_fast_nms_kernel(FastNmsKernel, ElementType, FastNmsSizes const&, FastNmsSettings const&,
    FastNmsTensors const&, void*, cudaStream_t) {
    return chosen_error();
}

cudaError_t launch_mask_assembly(ElementType, MaskSizes const&, MaskTensors const&, cudaStream_t) {
    return chosen_error();
}

cudaError_t launch_image_masks(ElementType, MaskSizes const&, ImageSize const&, MaskTensors const&, cudaStream_t) {
    return chosen_error();
}

}  // namespace yolact
