#include "launch.h"

#include "assemble.h"
#include "image_masks.h"

namespace yolact {
namespace {

extern __shared__ __align__(16) unsigned char shared_memory[];

template <class T>
__global__ void __launch_bounds__(kMaskThreads) assemble_kernel(MaskArguments<T> const arguments) {
    Block block(shared_memory);
    assemble_masks(block, arguments);
}

template <class T>
__global__ void __launch_bounds__(kImageThreads) image_masks_kernel(ImageMaskArguments<T> const arguments) {
    Block block(shared_memory);
    assemble_image_masks(block, arguments);
}

template <class T>
cudaError_t launch(MaskSizes const& sizes, MaskTensors const& tensors, cudaStream_t stream) {
    dim3 const grid(static_cast<unsigned>(divided_up(sizes.height * sizes.width, kMaskPixels)),
        static_cast<unsigned>(divided_up(sizes.masks, kMaskGroup)), static_cast<unsigned>(sizes.batch));
    assemble_kernel<T><<<grid, kMaskThreads, mask_shared_bytes(sizes), stream>>>(arguments_of<T>(sizes, tensors));
    return cudaGetLastError();
}

template <class T>
cudaError_t launch_at_image_size(
    MaskSizes const& sizes, ImageSize const& image, MaskTensors const& tensors, cudaStream_t stream) {
    dim3 const grid(static_cast<unsigned>(image_tiles(image)), static_cast<unsigned>(sizes.masks),
        static_cast<unsigned>(sizes.batch));
    image_masks_kernel<T><<<grid, kImageThreads, sizeof(ImageMaskShared), stream>>>(
        arguments_of<T>(sizes, image, tensors));
    return cudaGetLastError();
}

}  // namespace

cudaError_t launch_mask_assembly(
    ElementType type, MaskSizes const& sizes, MaskTensors const& tensors, cudaStream_t stream) {
    if (out_of_range(sizes)) return cudaErrorInvalidValue;
    if (sizes.batch == 0 || sizes.masks == 0) return cudaSuccess;
    return type == ElementType::kHalf ? launch<Half>(sizes, tensors, stream) : launch<float>(sizes, tensors, stream);
}

cudaError_t launch_image_masks(ElementType type, MaskSizes const& sizes, ImageSize const& image,
    MaskTensors const& tensors, cudaStream_t stream) {
    if (out_of_range(sizes) || out_of_range(image)) return cudaErrorInvalidValue;
    if (sizes.batch == 0 || sizes.masks == 0) return cudaSuccess;
    return type == ElementType::kHalf ? launch_at_image_size<Half>(sizes, image, tensors, stream)
                                      : launch_at_image_size<float>(sizes, image, tensors, stream);
}

}  // namespace yolact
