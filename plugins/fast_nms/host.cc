#include "host.h"

#include "filter.h"
#include "finish.h"
#include "suppress.h"

namespace yolact {
namespace {

template <class T>
void run(FastNmsSizes const& sizes, FastNmsSettings const& settings, FastNmsTensors const& tensors, void* workspace,
    Order order) {
    FastNmsArguments<T> const a = arguments_of<T>(sizes, settings, tensors, workspace);
    std::memset(a.work.counters, 0, a.work.counter_bytes);
    FilterPlan const plan = plan_filter(sizes);
    run_blocks({divided_up(sizes.priors, plan.tile), sizes.batch, 1}, kFilterThreads, filter_shared_bytes(plan), order,
        [&](Block& block) { filter_candidates(block, a); });
    run_blocks({settings.cross_class ? 1 : sizes.classes, sizes.batch, 1}, kSuppressThreads, sizeof(SuppressShared),
        order, [&](Block& block) { suppress_overlapping(block, a); });
    run_blocks({1, sizes.batch, 1}, kFinishThreads, sizeof(SelectShared), order,
        [&](Block& block) { write_detections(block, a); });
}

}  // namespace
}  // namespace yolact

size_t yolact_fast_nms_workspace(yolact::FastNmsSizes const* sizes, yolact::FastNmsSettings const* settings) {
    return yolact::carve_workspace(*sizes, *settings, nullptr).bytes;
}

int yolact_fast_nms(int is_half, yolact::FastNmsSizes const* sizes, yolact::FastNmsSettings const* settings,
    yolact::FastNmsTensors const* tensors, void* workspace, int order) {
    if (yolact::out_of_range(*sizes) || yolact::out_of_range(*settings)) return 1;
    auto const run = is_half ? yolact::run<yolact::Half> : yolact::run<float>;
    run(*sizes, *settings, *tensors, workspace, static_cast<yolact::Order>(order));
    return 0;
}
