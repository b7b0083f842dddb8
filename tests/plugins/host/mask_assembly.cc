#include "mask_assembly.h"

#include "../../../plugins/mask_assembly/assemble.h"
#include "../../../plugins/mask_assembly/image_masks.h"

namespace yolact {
namespace {

template <class T>
void run(MaskSizes const& sizes, MaskTensors const& tensors, Order order) {
    MaskArguments<T> const a = arguments_of<T>(sizes, tensors);
    run_blocks(launch_shape(sizes), order, [&](Block& block) { assemble_masks(block, a); });
}

template <class T>
void run_at_image_size(MaskSizes const& sizes, ImageSize const& image, MaskTensors const& tensors, Order order) {
    ImageMaskArguments<T> const a = arguments_of<T>(sizes, image, tensors);
    run_blocks(launch_shape(sizes, image), order, [&](Block& block) { assemble_image_masks(block, a); });
}

}  // namespace
}  // namespace yolact

int yolact_mask_assembly(int is_half, yolact::MaskSizes const* sizes, yolact::MaskTensors const* tensors, int order) {
    if (yolact::out_of_range(*sizes)) return 1;
    auto const run = is_half ? yolact::run<yolact::Half> : yolact::run<float>;
    run(*sizes, *tensors, static_cast<yolact::Order>(order));
    return 0;
}

int yolact_image_masks(int is_half, yolact::MaskSizes const* sizes, yolact::ImageSize const* image,
    yolact::MaskTensors const* tensors, int order) {
    if (yolact::out_of_range(*sizes) || yolact::out_of_range(*image)) return 1;
    auto const run = is_half ? yolact::run_at_image_size<yolact::Half> : yolact::run_at_image_size<float>;
    run(*sizes, *image, *tensors, static_cast<yolact::Order>(order));
    return 0;
}

void yolact_mask_assembly_shape(yolact::MaskSizes const* sizes, yolact::LaunchShape* shape) {
    *shape = yolact::launch_shape(*sizes);
}

void yolact_image_masks_shape(
    yolact::MaskSizes const* sizes, yolact::ImageSize const* image, yolact::LaunchShape* shape) {
    *shape = yolact::launch_shape(*sizes, *image);
}
