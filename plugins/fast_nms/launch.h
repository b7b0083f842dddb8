// YolactFastNMS as a function of pointers, sizes and a stream.
#pragma once

#include "../common/launch.h"
#include "problem.h"

namespace yolact {

// Enqueues everything on `stream` and returns the first error; allocates nothing and waits for nothing. The workspace
// has to be 256-byte aligned, of carve_workspace's size.
cudaError_t launch_fast_nms(ElementType type, FastNmsSizes const& sizes, FastNmsSettings const& settings,
    FastNmsTensors const& tensors, void* workspace, cudaStream_t stream);

}  // namespace yolact
