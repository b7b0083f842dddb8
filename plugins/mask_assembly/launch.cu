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

dim3 blocks_of(LaunchShape const& shape) {
    return {static_cast<unsigned>(shape.x), static_cast<unsigned>(shape.y), static_cast<unsigned>(shape.z)};
}

template <class T>
cudaError_t launch(MaskSizes const& sizes, MaskTensors const& tensors, cudaStream_t stream) {
    LaunchShape const shape = launch_shape(sizes);
    assemble_kernel<T><<<blocks_of(shape), static_cast<unsigned>(shape.threads),
        static_cast<size_t>(shape.shared_bytes), stream>>>(arguments_of<T>(sizes, tensors));
    return cudaGetLastError();
}

template <class T>
cudaError_t launch_at_image_size(
    MaskSizes const& sizes, ImageSize const& image, MaskTensors const& tensors, cudaStream_t stream) {
    LaunchShape const shape = launch_shape(sizes, image);
    image_masks_kernel<T><<<blocks_of(shape), static_cast<unsigned>(shape.threads),
        static_cast<size_t>(shape.shared_bytes), stream>>>(arguments_of<T>(sizes, image, tensors));
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
