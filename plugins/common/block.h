// One thread block, written once and run twice: by nvcc as a CUDA kernel, by any C++ compiler on the host.
//
// An operator's device code is a list of steps. A step is a loop over [0, n) that the block's threads share, and it
// ends with a barrier, so that none can be forgotten:
//
//     block.each(n, [&](int i) { ... });      // step 1
//     int total = block.read(shared.total);   // a value that every thread needs between two steps
//     block.each(total, [&](int i) { ... });  // step 2
//
// `each_loaded<kInFlight>(n, load, use)` is the step each(n, [&](int i) { use(i, load(i)); }) in which a thread loads
// kInFlight values before it uses the first.
//
// Within one step no iteration may depend on what another one writes, except through the atomics of primitives.h. The
// host runs a step's iterations in forward, reversed or shuffled order: a dependence shows as a different result.
// Code between steps is executed by every thread and has to do the same in each: what a step has written may be looked
// at there only through `read`, whose barrier keeps the next step from overwriting it too early.
#pragma once

#if defined(__CUDACC__)
#include "block_cuda.h"
#else
#include "block_host.h"
#endif
