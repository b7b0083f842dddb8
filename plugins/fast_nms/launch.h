// YolactFastNMS as a function of pointers, sizes and a stream.
#pragma once

#include "../common/launch.h"
#include "problem.h"

namespace yolact {

// Enqueues one kernel on `stream`; allocates nothing and waits for nothing. The workspace has to be 256-byte aligned, of
// carve_workspace's size, and to hold what the kernels before have left there.
cudaError_t launch_fast_nms_kernel(FastNmsKernel kernel, ElementType type, FastNmsSizes const& sizes,
    FastNmsSettings const& settings, FastNmsTensors const& tensors, void* workspace, cudaStream_t stream);

// Enqueues everything and returns the first error.
inline cudaError_t launch_fast_nms(ElementType type, FastNmsSizes const& sizes, FastNmsSettings const& settings,
    FastNmsTensors const& tensors, void* workspace, cudaStream_t stream) {
    for (FastNmsKernel const kernel : kFastNmsKernels) {
        cudaError_t const error =
            launch_fast_nms_kernel(kernel, type, sizes, settings, tensors, workspace, stream);
        if (error != cudaSuccess) return error;
    }
    return cudaSuccess;
}

}  // namespace yolact
