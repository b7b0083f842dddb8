// Kernel 2 of YolactFastNMS, only where FPN levels have a limit: a block an image marks the candidates that are not
// among the best of their level.
#pragma once

#include "arguments.h"
#include "select.h"

namespace yolact {

constexpr int kLimitThreads = 512;

struct LimitShared {
    SelectShared select;
    int counts[kMaxLevels];  // candidates of each level
};

YOLACT_DEVICE int level_of(FastNmsSettings const& settings, int prior) {
    int level = 0;
    int end = 0;
    YOLACT_UNROLL
    for (int k = 0; k + 1 < kMaxLevels; ++k) {
        end += settings.level_priors[k];
        if (k + 1 < settings.levels && prior >= end) level = k + 1;
    }
    return level;
}

// Grid: 1, images.
template <class T>
YOLACT_DEVICE void limit_levels(Block& block, FastNmsArguments<T> const& a) {
    auto& shared = *block.shared<LimitShared>();
    int const image = block.y();
    int const count = a.work.counters[2 * image];
    int const limit = a.settings.candidates_per_level;
    if (count <= limit) return;
    size_t const first = static_cast<size_t>(image) * static_cast<size_t>(a.sizes.priors);
    int32_t* candidates = a.work.candidates + first;
    float const* best = (a.settings.cross_class ? a.work.scores : a.work.best_scores) + first;
    block.each(kMaxLevels, [&](int level) { shared.counts[level] = 0; });
    block.each(count, [&](int i) { add_to_bin(shared.counts, level_of(a.settings, candidates[i])); });
    for (int level = 0; level < a.settings.levels; ++level) {
        if (block.read(shared.counts[level]) <= limit) continue;
        auto load = [&](int i) { return Candidate{best[i], candidates[i]}; };
        auto key_of = [&](Candidate const& c) -> std::uint64_t {
            bool const is_here = !is_marked(c.prior) && level_of(a.settings, c.prior) == level;
            return is_here ? make_key(c.score, 0, c.prior) : 0;
        };
        std::uint64_t const lowest = bound_of_best(block, load, key_of, count, limit, limit, shared.select).lowest;
        block.each(count, [&](int i) {
            std::uint64_t const key = key_of(load(i));
            if (key != 0 && key < lowest) candidates[i] = marked(candidates[i]);
        });
    }
}

}  // namespace yolact
