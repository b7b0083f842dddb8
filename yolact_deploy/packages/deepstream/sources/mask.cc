#include "mask.h"

#include <algorithm>
#include <cmath>

namespace {

constexpr float kMaskPixels = 4.0F;         // per network pixel: a frame has more pixels than the network sees
constexpr unsigned int kMinMaskSide = 128; // of small boxes, where a lost pixel is a larger part
constexpr unsigned int kMaxMaskSide = 512; // 1 MiB per object; the prototypes hold no more detail

}  // namespace

unsigned int mask_side(float pixels) {
    float const wanted = std::ceil(pixels * kMaskPixels);
    return static_cast<unsigned int>(
        std::clamp(wanted, static_cast<float>(kMinMaskSide), static_cast<float>(kMaxMaskSide)));
}

Axis make_axis(float low, float high, unsigned int size, unsigned int prototype) {
    Axis axis;
    axis.left.resize(size);
    axis.right_weight.resize(size);
    float const step = (high - low) / static_cast<float>(size);
    float const last = static_cast<float>(prototype - 1);
    for (unsigned int i = 0; i < size; ++i) {
        float const relative = low + (static_cast<float>(i) + 0.5F) * step;
        float const position = std::clamp(relative * static_cast<float>(prototype) - 0.5F, 0.0F, last);
        axis.left[i] = std::min(static_cast<unsigned int>(position), prototype > 1 ? prototype - 2 : 0);
        axis.right_weight[i] = position - static_cast<float>(axis.left[i]);
    }
    return axis;
}

void resample(float const* mask, unsigned int mask_height, unsigned int mask_width, Axis const& rows,
    Axis const& columns, float* target) {
    std::size_t const down = mask_height > 1 ? mask_width : 0;
    unsigned int const right = mask_width > 1 ? 1 : 0;
    for (std::size_t y = 0; y < rows.left.size(); ++y) {
        float const* const upper = mask + std::size_t{rows.left[y]} * mask_width;
        float const* const lower = upper + down;
        float const weight = rows.right_weight[y];
        for (std::size_t x = 0; x < columns.left.size(); ++x) {
            unsigned int const at = columns.left[x];
            float const top = upper[at] + (upper[at + right] - upper[at]) * columns.right_weight[x];
            float const bottom = lower[at] + (lower[at + right] - lower[at]) * columns.right_weight[x];
            *target++ = top + (bottom - top) * weight;
        }
    }
}
