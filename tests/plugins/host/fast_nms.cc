#include "fast_nms.h"

#include "../../../plugins/fast_nms/shapes.h"

namespace yolact {
namespace {

template <class T>
void run(FastNmsKernel kernel, FastNmsSizes const& sizes, FastNmsSettings const& settings,
    FastNmsTensors const& tensors, void* workspace, Order order) {
    FastNmsArguments<T> const a = arguments_of<T>(sizes, settings, tensors, workspace);
    LaunchShape const shape = launch_shape(kernel, sizes, settings);
    switch (kernel) {
        case FastNmsKernel::kFilter:
            std::memset(a.work.counters, 0, a.work.counter_bytes);
            run_blocks(shape, order, [&](Block& block) { filter_candidates(block, a); });
            break;
        case FastNmsKernel::kLimit:
            run_blocks(shape, order, [&](Block& block) { limit_levels(block, a); });
            break;
        case FastNmsKernel::kSuppress:
            run_blocks(shape, order, [&](Block& block) { suppress_overlapping(block, a); });
            break;
        case FastNmsKernel::kFinish:
            run_blocks(shape, order, [&](Block& block) { write_detections(block, a); });
            break;
    }
}

}  // namespace
}  // namespace yolact

size_t yolact_fast_nms_workspace(yolact::FastNmsSizes const* sizes, yolact::FastNmsSettings const* settings) {
    return yolact::carve_workspace(*sizes, *settings, nullptr).bytes;
}

int yolact_fast_nms(int is_half, yolact::FastNmsSizes const* sizes, yolact::FastNmsSettings const* settings,
    yolact::FastNmsTensors const* tensors, void* workspace, int order) {
    int status = 0;
    for (yolact::FastNmsKernel const kernel : yolact::kFastNmsKernels) {
        if (status == 0) {
            status = yolact_fast_nms_kernel(kernel, is_half, sizes, settings, tensors, workspace, order);
        }
    }
    return status;
}

int yolact_fast_nms_kernel(yolact::FastNmsKernel kernel, int is_half, yolact::FastNmsSizes const* sizes,
    yolact::FastNmsSettings const* settings, yolact::FastNmsTensors const* tensors, void* workspace, int order) {
    if (!yolact::is_possible(*sizes, *settings)) return 1;
    if (!yolact::is_needed(kernel, *settings)) return 0;
    auto const run = is_half ? yolact::run<yolact::Half> : yolact::run<float>;
    run(kernel, *sizes, *settings, *tensors, workspace, static_cast<yolact::Order>(order));
    return 0;
}

void yolact_fast_nms_shape(yolact::FastNmsKernel kernel, yolact::FastNmsSizes const* sizes,
    yolact::FastNmsSettings const* settings, yolact::LaunchShape* shape) {
    *shape = yolact::launch_shape(kernel, *sizes, *settings);
}
