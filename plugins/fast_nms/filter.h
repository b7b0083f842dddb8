// Kernel 1 of YolactFastNMS: which priors take part. Reads conf once, and boxes only of priors above the threshold.
//
// A block brings a tile of neighbouring priors into shared memory with 16-byte loads, then several threads a prior look
// for its best class. The scores of those that take part are written class by class, as the next kernel reads them.
#pragma once

#include "../common/boxes.h"
#include "../common/primitives.h"
#include "arguments.h"

namespace yolact {

constexpr int kFilterThreads = 256;
constexpr int kFilterTile = 64;                  // priors a block, where their scores fit
constexpr int kFilterTileFloats = 8 * 1024;      // 32 KiB

// Loads of 16 bytes of a thread that are in flight together: all of a tile of 81 scores per prior.
template <class T>
constexpr int kLoads = 6 * sizeof(T) / sizeof(float);

struct FilterPlan {
    int row;     // 1 + C
    int stride;  // of a row in shared memory: odd, so that threads with neighbouring priors hit different banks
    int tile;    // priors a block
    int parts;   // threads a prior
};

YOLACT_BOTH FilterPlan plan_filter(FastNmsSizes const& sizes) {
    int const row = 1 + sizes.classes;
    int const stride = row | 1;
    int const tile = smaller(kFilterTile, kFilterTileFloats / stride);
    return {row, stride, tile, kFilterThreads / tile};
}

struct FilterPart {
    float best;
    float sum;
    int best_class;
};

struct alignas(16) FilterShared {
    int count;
    int base;
    int chosen[kFilterTile];
    FilterPart parts[kFilterThreads];
    // then, as far from a multiple of 16 bytes as the tile in conf, T scores[tile * stride]
};

YOLACT_BOTH size_t filter_shared_bytes(FilterPlan const& plan) {
    size_t const scores = static_cast<size_t>(plan.tile) * static_cast<size_t>(plan.stride);
    return sizeof(FilterShared) + 16 + sizeof(float) * scores;
}

// The best of the classes [first, last) of one row. A NaN is never better, but spoils the sum.
template <class T>
YOLACT_DEVICE FilterPart best_of(T const* scores, int first, int last) {
    FilterPart part{-INFINITY, 0.0F, first};
    for (int c = first; c < last; ++c) {
        float const score = to_float(scores[1 + c]);
        part.sum += score;
        if (score > part.best) {
            part.best = score;
            part.best_class = c;
        }
    }
    return part;
}

// Lower parts hold lower classes, which win ties.
YOLACT_DEVICE FilterPart combined(FilterPart const* parts, FilterPlan const& plan) {
    FilterPart whole = parts[0];
    for (int part = 1; part < plan.parts; ++part) {
        FilterPart const& other = parts[part * plan.tile];
        whole.sum += other.sum;
        if (other.best > whole.best) {
            whole.best = other.best;
            whole.best_class = other.best_class;
        }
    }
    return whole;
}

// Whether prior `prior` of image `image` takes part; if so, notes its box and best class.
template <class T>
YOLACT_DEVICE bool admit(FastNmsArguments<T> const& a, int image, int prior, FilterPart const& scores) {
    if (!(scores.best > a.settings.score_threshold && fabsf(scores.sum) <= kFiniteLimit)) return false;
    size_t const index = static_cast<size_t>(image) * static_cast<size_t>(a.sizes.priors) + static_cast<size_t>(prior);
    float loc[4];
    float anchor[4];
    for (int k = 0; k < 4; ++k) {
        loc[k] = to_float(a.loc[index * 4 + static_cast<size_t>(k)]);
        anchor[k] = a.priors[prior * 4 + k];
    }
    Box const box = decode(loc, anchor);
    if (!is_finite(box)) return false;
    a.work.prior_boxes[index] = a.settings.clip_boxes ? clipped(box) : box;
    if (a.settings.cross_class) a.work.prior_classes[index] = scores.best_class;
    return true;
}

// Grid: tiles of priors, images.
template <class T>
YOLACT_DEVICE void filter_candidates(Block& block, FastNmsArguments<T> const& a) {
    FilterPlan const plan = plan_filter(a.sizes);
    auto& shared = *block.shared<FilterShared>();
    int const image = block.y();
    int const first = block.x() * plan.tile;
    int const tile = smaller(plan.tile, a.sizes.priors - first);
    size_t const row = static_cast<size_t>(image) * static_cast<size_t>(a.sizes.priors) + static_cast<size_t>(first);
    T const* conf = a.conf + row * static_cast<size_t>(plan.row);
    auto* scores = reinterpret_cast<T*>(&shared + 1) + reinterpret_cast<std::uintptr_t>(conf) % 16 / sizeof(T);
    load_span<kLoads<T>>(block, conf, tile * plan.row, [&](int first_value, Pack<T> const& pack, int values) {
        if (plan.stride == plan.row && values == Pack<T>::kCount) {
            store_pack(scores + first_value, pack);
            return;
        }
        YOLACT_UNROLL
        for (int lane = 0; lane < Pack<T>::kCount; ++lane) {
            int const i = first_value + lane;
            if (lane < values) scores[i + i / plan.row * (plan.stride - plan.row)] = pack.values[lane];
        }
    });
    int const per_part = divided_up(a.sizes.classes, plan.parts);
    block.each(plan.tile * plan.parts, [&](int i) {
        int const prior = i % plan.tile;
        int const begin = smaller(i / plan.tile * per_part, a.sizes.classes);
        if (prior < tile) {
            shared.parts[i] = best_of(scores + prior * plan.stride, begin, smaller(begin + per_part, a.sizes.classes));
        }
        if (i == 0) shared.count = 0;
    });
    block.each(tile, [&](int i) {
        FilterPart const whole = combined(shared.parts + i, plan);
        shared.parts[i] = whole;  // read by nobody else
        if (admit(a, image, first + i, whole)) shared.chosen[atomic_add(&shared.count, 1)] = i;
    });
    int const count = block.read(shared.count);
    if (count == 0) return;
    block.each(1, [&](int) { shared.base = atomic_add(a.work.counters + 2 * image, count); });
    size_t const priors = static_cast<size_t>(a.sizes.priors);
    int const lists = a.work.lists;
    int32_t* candidates = a.work.candidates + static_cast<size_t>(image) * priors;
    float* best_scores =
        a.work.best_scores == nullptr ? nullptr : a.work.best_scores + static_cast<size_t>(image) * priors;
    float* lists_of_scores = a.work.scores + static_cast<size_t>(image) * static_cast<size_t>(lists) * priors;
    block.each(count * lists, [&](int i) {
        int const list = i / count;
        int const k = i - list * count;
        int const prior = shared.chosen[k];
        size_t const target = static_cast<size_t>(shared.base + k);
        lists_of_scores[static_cast<size_t>(list) * priors + target] =
            a.settings.cross_class ? shared.parts[prior].best : to_float(scores[prior * plan.stride + 1 + list]);
        if (list == 0) {
            candidates[target] = first + prior;
            if (best_scores != nullptr) best_scores[target] = shared.parts[prior].best;
        }
    });
}

}  // namespace yolact
