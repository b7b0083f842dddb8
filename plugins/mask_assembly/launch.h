// YolactMaskAssembly as a function of pointers, sizes and a stream.
#pragma once

#include "../common/launch.h"
#include "problem.h"

namespace yolact {

// Enqueues everything on `stream` and returns the first error; needs no workspace and waits for nothing.
cudaError_t launch_mask_assembly(
    ElementType type, MaskSizes const& sizes, MaskTensors const& tensors, cudaStream_t stream);

// The same at the image's size, a bit a pixel.
cudaError_t launch_image_masks(ElementType type, MaskSizes const& sizes, ImageSize const& image,
    MaskTensors const& tensors, cudaStream_t stream);

}  // namespace yolact
