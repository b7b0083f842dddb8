#include "detections.h"

#include <algorithm>
#include <bitset>
#include <cmath>
#include <cstdio>
#include <utility>

namespace {

constexpr float kMaskThreshold = 0.5F;

// Whole pixels of an edge, which a model may have put anywhere, or nowhere.
int whole(float edge) {
    constexpr float kFar = 1e9F;
    return std::isnan(edge) ? 0 : static_cast<int>(std::clamp(edge, -kFar, kFar));
}

// A box edge pair along an axis of `size` px, as `Detections.boxes` has it: in order, inside the image, whole pixels.
std::pair<int, int> extent(float start, float end, std::int32_t size) {
    float const low = std::min(start, end) * static_cast<float>(size);
    float const high = std::max(start, end) * static_cast<float>(size);
    return {whole(std::max(low, 0.0F)), whole(std::min(high, static_cast<float>(size)))};
}

// Share of the image that a mask covers, 0..1.
double covered(Detections const& found, std::int64_t index, Image const& image) {
    std::int64_t const start = index * found.mask_values;
    std::size_t inside = 0;
    if (found.packed_masks != nullptr) {
        auto const* words = found.packed_masks + start;
        for (std::int64_t word = 0; word < found.mask_values; ++word) inside += std::bitset<32>(words[word]).count();
        return static_cast<double>(inside) / (static_cast<double>(image.height) * image.width);
    }
    auto const* values = found.soft_masks + start;
    inside = static_cast<std::size_t>(
        std::count_if(values, values + found.mask_values, [](float value) { return value > kMaskThreshold; }));
    return static_cast<double>(inside) / static_cast<double>(found.mask_values);
}

}  // namespace

void print(Detections const& found, Image const& image, float least_score) {
    bool const has_masks = found.packed_masks != nullptr || found.soft_masks != nullptr;
    int printed = 0;
    for (std::int64_t index = 0; index < found.count; ++index) {
        float const score = found.scores[index];
        if (!(score >= least_score)) continue;
        float const* box = found.boxes + index * 4;
        auto const [x1, x2] = extent(box[0], box[2], image.width);
        auto const [y1, y2] = extent(box[1], box[3], image.height);
        std::printf("class %d  score %.3f  box %d %d %d %d", found.classes[index], static_cast<double>(score), x1, y1, x2,
            y2);
        if (has_masks) std::printf("  mask %.2f %% of the picture", 100.0 * covered(found, index, image));
        std::printf("\n");
        ++printed;
    }
    std::printf("%d detections\n", printed);
}
