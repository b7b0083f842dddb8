// The launcher's place taken by the host build: the TensorRT shell then runs without a GPU. `stream` is not used.
#include "mask_assembly.h"
#include "../../../plugins/mask_assembly/launch.h"

namespace yolact {

cudaError_t launch_mask_assembly(
    ElementType type, MaskSizes const& sizes, MaskTensors const& tensors, cudaStream_t) {
    bool const is_refused = yolact_mask_assembly(type == ElementType::kHalf, &sizes, &tensors, 0) != 0;
    return is_refused ? cudaErrorInvalidValue : cudaSuccess;
}

cudaError_t launch_image_masks(ElementType type, MaskSizes const& sizes, ImageSize const& image,
    MaskTensors const& tensors, cudaStream_t) {
    bool const is_refused = yolact_image_masks(type == ElementType::kHalf, &sizes, &image, &tensors, 0) != 0;
    return is_refused ? cudaErrorInvalidValue : cudaSuccess;
}

}  // namespace yolact
