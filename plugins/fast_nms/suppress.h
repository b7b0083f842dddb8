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
    float x1[kMaxTopK], y1[kMaxTopK], x2[kMaxTopK], y2[kMaxTopK], area[kMaxTopK];
    int kept_count;
    int base;

    // By rank, 0 or 1; in the memory of the histogram, which has done its work by then.
    YOLACT_DEVICE int& has_fallen(int rank) { return select.bins[rank]; }
    // The ranks that did not fall, in any order.
    YOLACT_DEVICE int& kept(int i) { return select.bins[kMaxTopK + i]; }

    YOLACT_DEVICE Box box(int rank) const { return {x1[rank], y1[rank], x2[rank], y2[rank]}; }
};

static_assert(2 * kMaxTopK <= kBins, "has_fallen and kept fit into the histogram");
static_assert(sizeof(SuppressShared) <= 48 * 1024, "what every GPU gives a block without being asked");

YOLACT_DEVICE void load_boxes(Block& block, float const* prior_boxes, int n, SuppressShared& shared) {
    block.each(n, [&](int rank) {
        float const* source = prior_boxes + 4 * static_cast<size_t>(prior_of(shared.select.keys[rank]));
        Box const box{source[0], source[1], source[2], source[3]};
        shared.x1[rank] = box.x1;
        shared.y1[rank] = box.y1;
        shared.x2[rank] = box.x2;
        shared.y2[rank] = box.y2;
        shared.area[rank] = area(box);
        shared.has_fallen(rank) = 0;
        if (rank == 0) shared.kept_count = 0;
    });
}

// Pairs above the diagonal, several threads a column where there are threads to spare. Neighbouring threads have
// neighbouring columns and compare them with the same row.
YOLACT_DEVICE void mark_fallen(Block& block, int n, float threshold, SuppressShared& shared) {
    int const parts = larger(block.threads() / n, 1);
    block.each(n * parts, [&](int i) {
        int const rank = i % n;
        Box const box = shared.box(rank);
        float const box_area = shared.area[rank];
        for (int better = i / n; better < rank; better += parts) {
            if (overlaps(shared.box(better), shared.area[better], box, box_area, threshold)) {
                raise_flag(&shared.has_fallen(rank));
                break;
            }
        }
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
    load_boxes(block, a.work.prior_boxes + first * 4, n, shared);
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
