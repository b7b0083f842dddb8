// Blocks, threads and shared memory of the kernels of YolactFastNMS.
#pragma once

#include "../common/launch_shape.h"
#include "filter.h"
#include "finish.h"
#include "limit.h"
#include "suppress.h"

namespace yolact {

inline LaunchShape launch_shape(FastNmsKernel kernel, FastNmsSizes const& sizes, FastNmsSettings const& settings) {
    switch (kernel) {
        case FastNmsKernel::kFilter: {
            FilterPlan const plan = plan_filter(sizes);
            return {divided_up(sizes.priors, plan.tile), sizes.batch, 1, kFilterThreads,
                static_cast<int32_t>(filter_shared_bytes(plan))};
        }
        case FastNmsKernel::kLimit:
            return {1, sizes.batch, 1, kLimitThreads, static_cast<int32_t>(sizeof(LimitShared))};
        case FastNmsKernel::kSuppress:
            return {settings.cross_class ? 1 : sizes.classes, sizes.batch, 1, kSuppressThreads,
                static_cast<int32_t>(sizeof(SuppressShared))};
        case FastNmsKernel::kFinish: break;
    }
    return {1, sizes.batch, 1, kFinishThreads, static_cast<int32_t>(sizeof(SelectShared))};
}

}  // namespace yolact
