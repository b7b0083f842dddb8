// YolactFastNMS on the host, from the same source as the kernels, for tests.
#pragma once

#include "../../../plugins/common/launch_shape.h"
#include "../../../plugins/fast_nms/problem.h"

extern "C" {

// Bytes of workspace.
size_t yolact_fast_nms_workspace(yolact::FastNmsSizes const* sizes, yolact::FastNmsSettings const* settings);

// is_half: loc, conf, coef and coefs are half, otherwise float. order: of threads and blocks, 0 forward, 1 reversed,
// 2 shuffled. Returns 0, or 1 when something is out of range.
int yolact_fast_nms(int is_half, yolact::FastNmsSizes const* sizes, yolact::FastNmsSettings const* settings,
    yolact::FastNmsTensors const* tensors, void* workspace, int order);

// The same for one kernel.
int yolact_fast_nms_kernel(yolact::FastNmsKernel kernel, int is_half, yolact::FastNmsSizes const* sizes,
    yolact::FastNmsSettings const* settings, yolact::FastNmsTensors const* tensors, void* workspace, int order);

// How the launcher starts a kernel.
void yolact_fast_nms_shape(yolact::FastNmsKernel kernel, yolact::FastNmsSizes const* sizes,
    yolact::FastNmsSettings const* settings, yolact::LaunchShape* shape);
}
