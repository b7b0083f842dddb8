// YolactMaskAssembly on the host, from the same source as the kernel, for tests.
#pragma once

#include "../../../plugins/common/launch_shape.h"
#include "../../../plugins/mask_assembly/problem.h"

extern "C" {

// is_half: proto, coefs and masks are half, otherwise float. order: of threads and blocks, 0 forward, 1 reversed,
// 2 shuffled. Returns 0, or 1 when something is out of range.
int yolact_mask_assembly(
    int is_half, yolact::MaskSizes const* sizes, yolact::MaskTensors const* tensors, int order);

// The same at the image's size; proto and coefs are half or float, masks int32.
int yolact_image_masks(int is_half, yolact::MaskSizes const* sizes, yolact::ImageSize const* image,
    yolact::MaskTensors const* tensors, int order);

// How the launcher starts each kernel.
void yolact_mask_assembly_shape(yolact::MaskSizes const* sizes, yolact::LaunchShape* shape);
void yolact_image_masks_shape(
    yolact::MaskSizes const* sizes, yolact::ImageSize const* image, yolact::LaunchShape* shape);
}
