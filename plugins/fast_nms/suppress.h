// Kernel 2 of YolactFastNMS: a block a class (cross-class: one block) takes the top_k best candidates and drops those
// that overlap a better one, whether that one falls itself or not (Bolya et al. 2019, section 4).
#pragma once

#include "../common/boxes.h"
#include "arguments.h"
#include "select.h"

namespace yolact {

constexpr int kSuppressThreads = 512;

struct SuppressShared {
    SelectShared select;
    Box boxes[kMaxTopK];  // by rank
    float area[kMaxTopK];
    int kept_count;
    int base;

    // By rank, 0 or 1; in the memory of the histogram, which has done its work by then.
    YOLACT_DEVICE int& has_fallen(int rank) { return select.bins[rank]; }
    // The ranks that did not fall, in any order.
    YOLACT_DEVICE int& kept(int i) { return select.bins[kMaxTopK + i]; }
};

static_assert(2 * kMaxTopK <= kBins, "has_fallen and kept fit into the histogram");
static_assert(sizeof(SuppressShared) <= 48 * 1024, "what every GPU gives a block without being asked");

YOLACT_DEVICE void load_boxes(Block& block, Box const* prior_boxes, int n, SuppressShared& shared) {
    block.each(n, [&](int rank) {
        Box const box = prior_boxes[prior_of(shared.select.keys[rank])];
        shared.boxes[rank] = box;
        shared.area[rank] = area(box);
        shared.has_fallen(rank) = 0;
        if (rank == 0) shared.kept_count = 0;
    });
}

// Compare each rank with all better ones. A thread has the ranks i and n-1-i, which together have n-1 better ones, so that
// none works longer than the others; where there are threads to spare, several share such a pair.
YOLACT_DEVICE void mark_fallen(Block& block, int n, float threshold, SuppressShared& shared) {
    int const pairs = divided_up(n, 2);
    int const parts = larger(block.threads() / pairs, 1);
    block.each(pairs * parts, [&](int i) {
        int const high = i % pairs;
        int const low = n - 1 - high;
        Box const high_box = shared.boxes[high];
        Box const low_box = shared.boxes[low];
        float const high_area = shared.area[high];
        float const low_area = shared.area[low];
        bool high_falls = false;
        bool low_falls = false;
        for (int better = i / pairs; better < low; better += parts) {
            Box const box = shared.boxes[better];
            float const box_area = shared.area[better];
            low_falls |= overlaps(box, box_area, low_box, low_area, threshold);
            high_falls |= better < high && overlaps(box, box_area, high_box, high_area, threshold);
        }
        if (high_falls) raise_flag(&shared.has_fallen(high));
        if (low_falls) raise_flag(&shared.has_fallen(low));
    });
}

// Grid: classes (cross-class: 1), images.
template <class T>
YOLACT_DEVICE void suppress_overlapping(Block& block, FastNmsArguments<T> const& a) {
    auto& shared = *block.shared<SuppressShared>();
    int const image = block.y();
    int32_t* counters = a.work.counters + 2 * image;
    int const count = counters[0];
    if (count == 0) return;
    size_t const first = static_cast<size_t>(image) * static_cast<size_t>(a.sizes.priors);
    size_t const row = static_cast<size_t>(1 + a.sizes.classes);
    int32_t const* candidates = a.work.candidates + first;
    int32_t const* best_classes = a.work.prior_classes + first;
    T const* conf = a.conf + first * row;
    bool const cross_class = a.settings.cross_class != 0;
    int const block_class = block.x();
    auto key_at = [&](int i) {
        int const prior = candidates[i];
        int const class_index = cross_class ? best_classes[prior] : block_class;
        size_t const index = static_cast<size_t>(prior) * row + 1 + static_cast<size_t>(class_index);
        // Across classes an equal score goes to the lower prior, whatever its class.
        return make_key(to_float(conf[index]), cross_class ? 0 : class_index, prior);
    };
    int const n = select_best(block, key_at, count, a.settings.top_k, shared.select);
    load_boxes(block, a.work.prior_boxes + first, n, shared);
    mark_fallen(block, n, a.settings.iou_threshold, shared);
    block.each(n, [&](int rank) {
        if (!shared.has_fallen(rank)) shared.kept(atomic_add(&shared.kept_count, 1)) = rank;
    });
    int const kept = block.read(shared.kept_count);
    block.each(1, [&](int) { shared.base = atomic_add(counters + 1, kept); });
    size_t const rows = cross_class ? 1 : static_cast<size_t>(a.sizes.classes);
    size_t const row_length = static_cast<size_t>(smaller(a.settings.top_k, a.sizes.priors));
    std::uint64_t* survivors = a.work.survivors + static_cast<size_t>(image) * rows * row_length;
    block.each(kept, [&](int i) { survivors[shared.base + i] = shared.select.keys[shared.kept(i)]; });
}

}  // namespace yolact
