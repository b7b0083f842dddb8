// Kernel 3 of YolactFastNMS: a block a class (cross-class: one block) takes the top_k best candidates and drops those
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
    std::uint32_t fallen[kMaxTopK / 32 + 1];  // a bit per rank
    int base;

    // How many of the ranks before this one did not fall.
    YOLACT_DEVICE int kept_before(int rank) const {
        int count = 0;
        for (int word = 0; word < rank / 32; ++word) count += count_bits(~fallen[word]);
        return count + count_bits(~fallen[rank / 32] & ((1U << rank % 32) - 1));
    }

    YOLACT_DEVICE bool has_fallen(int rank) const { return (fallen[rank / 32] >> rank % 32 & 1U) != 0; }
};

static_assert(sizeof(SuppressShared) <= 48 * 1024, "what every GPU gives a block without being asked");

YOLACT_DEVICE void load_boxes(Block& block, Box const* prior_boxes, int n, SuppressShared& shared) {
    block.each(n, [&](int rank) {
        Box const box = prior_boxes[prior_of(shared.select.keys[rank])];
        shared.boxes[rank] = box;
        shared.area[rank] = area(box);
        if (rank <= n / 32) shared.fallen[rank] = 0;
    });
}

// Compare each rank with all better ones; one whose score is not above `least` falls in any case. A thread has the ranks i and n-1-i, which together have n-1 better ones, so
// that none works longer than the others; where there are threads to spare, several share such a pair.
YOLACT_DEVICE void mark_fallen(Block& block, int n, float iou, float least, SuppressShared& shared) {
    IouThreshold const threshold = iou_threshold(iou);
    int const pairs = divided_up(n, 2);
    int const parts = larger(block.threads() / pairs, 1);
    block.each(pairs * parts, [&](int i) {
        int const high = i % pairs;
        int const low = n - 1 - high;
        Box const high_box = shared.boxes[high];
        Box const low_box = shared.boxes[low];
        float const high_area = shared.area[high];
        float const low_area = shared.area[low];
        int high_falls = !(score_of(shared.select.keys[high]) > least);
        int low_falls = !(score_of(shared.select.keys[low]) > least);
        for (int better = i / pairs; better < low; better += parts) {
            Box const box = shared.boxes[better];
            float const box_area = shared.area[better];
            if (overlaps(box, box_area, low_box, low_area, threshold)) low_falls = 1;
            if (better < high && overlaps(box, box_area, high_box, high_area, threshold)) high_falls = 1;
        }
        if (high_falls) set_bit(shared.fallen, high);
        if (low_falls) set_bit(shared.fallen, low);
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
    int const list = block.x();
    int32_t const* candidates = a.work.candidates + first;
    float const* scores = a.work.scores +
        static_cast<size_t>(image * a.work.lists + list) * static_cast<size_t>(a.sizes.priors);
    auto load = [&](int i) { return Candidate{scores[i], candidates[i]}; };
    // Across classes an equal score goes to the lower prior, whatever its class.
    auto key_of = [&](Candidate const& c) {
        return is_marked(c.prior) ? make_key(-INFINITY, list, marked(c.prior)) : make_key(c.score, list, c.prior);
    };
    int const n = select_best(block, load, key_of, count, a.settings.top_k, shared.select);
    load_boxes(block, a.work.prior_boxes + first, n, shared);
    float const least = a.settings.threshold_per_class ? a.settings.score_threshold : -INFINITY;  // of marked ones
    mark_fallen(block, n, a.settings.iou_threshold, least, shared);
    int const limit = a.work.limit;
    block.each(1, [&](int) { shared.base = atomic_add(counters + 1, smaller(shared.kept_before(n), limit)); });
    std::uint64_t* survivors = a.work.survivors + static_cast<size_t>(image) * a.work.survivors_per_image;
    block.each(n, [&](int rank) {
        int const position = shared.kept_before(rank);
        if (!shared.has_fallen(rank) && position < limit) survivors[shared.base + position] = shared.select.keys[rank];
    });
}

}  // namespace yolact
