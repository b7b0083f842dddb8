#include "host.h"

#include "assemble.h"

namespace yolact {
namespace {

template <class T>
void run(MaskSizes const& sizes, MaskTensors const& tensors, Order order) {
    MaskArguments<T> const a = arguments_of<T>(sizes, tensors);
    Grid const grid{
        divided_up(sizes.height * sizes.width, kMaskPixels), divided_up(sizes.masks, kMaskGroup), sizes.batch};
    run_blocks(grid, kMaskThreads, mask_shared_bytes(sizes), order, [&](Block& block) { assemble_masks(block, a); });
}

}  // namespace
}  // namespace yolact

int yolact_mask_assembly(int is_half, yolact::MaskSizes const* sizes, yolact::MaskTensors const* tensors, int order) {
    if (yolact::out_of_range(*sizes)) return 1;
    auto const run = is_half ? yolact::run<yolact::Half> : yolact::run<float>;
    run(*sizes, *tensors, static_cast<yolact::Order>(order));
    return 0;
}
