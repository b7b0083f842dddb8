#include "launch.h"

#include "filter.h"
#include "finish.h"
#include "suppress.h"

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
cudaError_t launch(FastNmsSizes const& sizes, FastNmsSettings const& settings, FastNmsTensors const& tensors,
    void* workspace, cudaStream_t stream) {
    FastNmsArguments<T> const arguments = arguments_of<T>(sizes, settings, tensors, workspace);
    cudaError_t const cleared = cudaMemsetAsync(arguments.work.counters, 0, arguments.work.counter_bytes, stream);
    if (cleared != cudaSuccess) return cleared;

    FilterPlan const plan = plan_filter(sizes);
    auto const images = static_cast<unsigned>(sizes.batch);
    dim3 const tiles(static_cast<unsigned>(divided_up(sizes.priors, plan.tile)), images);
    filter_kernel<T><<<tiles, kFilterThreads, filter_shared_bytes(plan), stream>>>(arguments);
    cudaError_t const filtered = cudaGetLastError();
    if (filtered != cudaSuccess) return filtered;

    dim3 const rows(settings.cross_class ? 1U : static_cast<unsigned>(sizes.classes), images);
    suppress_kernel<T><<<rows, kSuppressThreads, sizeof(SuppressShared), stream>>>(arguments);
    cudaError_t const suppressed = cudaGetLastError();
    if (suppressed != cudaSuccess) return suppressed;

    finish_kernel<T><<<dim3(1, images), kFinishThreads, sizeof(SelectShared), stream>>>(arguments);
    return cudaGetLastError();
}

}  // namespace

cudaError_t launch_fast_nms(ElementType type, FastNmsSizes const& sizes, FastNmsSettings const& settings,
    FastNmsTensors const& tensors, void* workspace, cudaStream_t stream) {
    if (out_of_range(sizes) || out_of_range(settings)) return cudaErrorInvalidValue;
    if (sizes.batch == 0) return cudaSuccess;
    return type == ElementType::kHalf ? launch<Half>(sizes, settings, tensors, workspace, stream)
                                      : launch<float>(sizes, settings, tensors, workspace, stream);
}

}  // namespace yolact
