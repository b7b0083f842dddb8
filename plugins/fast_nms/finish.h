// Kernel 4 of YolactFastNMS: a block an image writes the best survivors of all classes, and zeros after them.
#pragma once

#include "../common/boxes.h"
#include "arguments.h"
#include "select.h"

namespace yolact {

constexpr int kFinishThreads = 512;

// Grid: 1, images.
template <class T>
YOLACT_DEVICE void write_detections(Block& block, FastNmsArguments<T> const& a) {
    auto& shared = *block.shared<SelectShared>();
    int const image = block.y();
    int const rows = a.rows;
    std::uint64_t const* survivors = a.work.survivors + static_cast<size_t>(image) * a.work.survivors_per_image;
    int const count = a.work.counters[2 * image + 1];
    int const n = select_best(
        block, [&](int i) { return survivors[i]; }, [](std::uint64_t key) { return key; }, count, rows, shared);
    size_t const first_prior = static_cast<size_t>(image) * static_cast<size_t>(a.sizes.priors);
    size_t const first_row = static_cast<size_t>(image) * static_cast<size_t>(rows);
    block.each(rows, [&](int i) {
        size_t const target = first_row + static_cast<size_t>(i);
        bool const is_there = i < n;
        std::uint64_t const key = is_there ? shared.keys[i] : 0;
        size_t const source = first_prior + static_cast<size_t>(is_there ? prior_of(key) : 0);
        Box const box = is_there ? a.work.prior_boxes[source] : Box{0.0F, 0.0F, 0.0F, 0.0F};
        float* corner = a.boxes + target * 4;
        corner[0] = box.x1;
        corner[1] = box.y1;
        corner[2] = box.x2;
        corner[3] = box.y2;
        a.scores[target] = is_there ? score_of(key) : 0.0F;
        int const found_class = !is_there ? 0 : a.settings.cross_class ? a.work.prior_classes[source] : class_of(key);
        a.classes[target] = found_class;
        if (i == 0) a.num_detections[image] = n;
    });
    int const coefs = a.sizes.coefs;
    T* coefs_out = a.coefs + first_row * static_cast<size_t>(coefs);
    block.template each_loaded<8>(
        rows * coefs,
        [&](int i) {
            int const rank = i / coefs;
            if (rank >= n) return FromFloat<T>::convert(0.0F);
            size_t const source = first_prior + static_cast<size_t>(prior_of(shared.keys[rank]));
            return a.coef[source * static_cast<size_t>(coefs) + static_cast<size_t>(i - rank * coefs)];
        },
        [&](int i, T value) { coefs_out[i] = value; });
}

}  // namespace yolact
