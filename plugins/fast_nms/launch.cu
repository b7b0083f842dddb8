#include "launch.h"

#include "shapes.h"

namespace yolact {
namespace {

constexpr int kBlocksAtOnce = 2;  // on a multiprocessor: without it, ptxas saves registers for three and spills

extern __shared__ __align__(16) unsigned char shared_memory[];

template <class T>
__global__ void __launch_bounds__(kFilterThreads) filter_kernel(FastNmsArguments<T> const arguments) {
    Block block(shared_memory);
    filter_candidates(block, arguments);
}

template <class T>
__global__ void __launch_bounds__(kLimitThreads, kBlocksAtOnce) limit_kernel(FastNmsArguments<T> const arguments) {
    Block block(shared_memory);
    limit_levels(block, arguments);
}

template <class T>
__global__ void __launch_bounds__(kSuppressThreads, kBlocksAtOnce)
    suppress_kernel(FastNmsArguments<T> const arguments) {
    Block block(shared_memory);
    suppress_overlapping(block, arguments);
}

template <class T>
__global__ void __launch_bounds__(kFinishThreads, kBlocksAtOnce)
    finish_kernel(FastNmsArguments<T> const arguments) {
    Block block(shared_memory);
    write_detections(block, arguments);
}

template <class T>
cudaError_t launch(FastNmsKernel kernel, FastNmsSizes const& sizes, FastNmsSettings const& settings,
    FastNmsTensors const& tensors, void* workspace, cudaStream_t stream) {
    FastNmsArguments<T> const arguments = arguments_of<T>(sizes, settings, tensors, workspace);
    LaunchShape const shape = launch_shape(kernel, sizes, settings);
    dim3 const grid(static_cast<unsigned>(shape.x), static_cast<unsigned>(shape.y));
    auto const threads = static_cast<unsigned>(shape.threads);
    auto const shared_bytes = static_cast<size_t>(shape.shared_bytes);
    switch (kernel) {
        case FastNmsKernel::kFilter: {
            if (cudaMemsetAsync(arguments.work.counters, 0, arguments.work.counter_bytes, stream) != cudaSuccess) {
                return cudaGetLastError();  // and forgets it: the next launch asks, too
            }
            filter_kernel<T><<<grid, threads, shared_bytes, stream>>>(arguments);
            break;
        }
        case FastNmsKernel::kLimit: limit_kernel<T><<<grid, threads, shared_bytes, stream>>>(arguments); break;
        case FastNmsKernel::kSuppress: suppress_kernel<T><<<grid, threads, shared_bytes, stream>>>(arguments); break;
        case FastNmsKernel::kFinish: finish_kernel<T><<<grid, threads, shared_bytes, stream>>>(arguments); break;
    }
    return cudaGetLastError();
}

}  // namespace

cudaError_t launch_fast_nms_kernel(FastNmsKernel kernel, ElementType type, FastNmsSizes const& sizes,
    FastNmsSettings const& settings, FastNmsTensors const& tensors, void* workspace, cudaStream_t stream) {
    if (!is_possible(sizes, settings)) return cudaErrorInvalidValue;
    if (sizes.batch == 0 || !is_needed(kernel, settings)) return cudaSuccess;
    return type == ElementType::kHalf ? launch<Half>(kernel, sizes, settings, tensors, workspace, stream)
                                      : launch<float>(kernel, sizes, settings, tensors, workspace, stream);
}

}  // namespace yolact
