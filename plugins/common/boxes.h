// The box arithmetic of yolact_deploy/ops/boxes.py, operation by operation in float32: whether an IoU is above the
// threshold may hang on the last bit, so nothing here may be contracted to a fused multiply-add (see the compilers'
// options).
#pragma once

#include "numbers.h"

namespace yolact {

constexpr float kCenterVariance = 0.1F;
constexpr float kSizeVariance = 0.2F;
constexpr float kFiniteLimit = 1e18F;
constexpr float kMinArea = 1.17549435e-38F;  // the smallest normal number: two boxes without area have the IoU 0

struct alignas(16) Box {  // read and written at once
    float x1, y1, x2, y2;  // relative to the image
};

// loc and prior: 4 numbers each; prior: cx cy w h.
YOLACT_DEVICE Box decode(float const* loc, float const* prior) {
    float const width = prior[2] * expf(loc[2] * kSizeVariance);
    float const height = prior[3] * expf(loc[3] * kSizeVariance);
    float const x1 = prior[0] + loc[0] * kCenterVariance * prior[2] - width / 2;
    float const y1 = prior[1] + loc[1] * kCenterVariance * prior[3] - height / 2;
    return {x1, y1, width + x1, height + y1};
}

// False for a NaN.
YOLACT_DEVICE bool is_finite(Box const& box) {
    return fabsf(box.x1) + fabsf(box.y1) + fabsf(box.x2) + fabsf(box.y2) <= kFiniteLimit;
}

// Within the image.
YOLACT_DEVICE Box clipped(Box const& box) {
    auto hold = [](float value) { return fminf(fmaxf(value, 0.0F), 1.0F); };
    return {hold(box.x1), hold(box.y1), hold(box.x2), hold(box.y2)};
}

YOLACT_DEVICE float area(Box const& box) {
    return fmaxf((box.x2 - box.x1) * (box.y2 - box.y1), kMinArea);
}

// An IoU threshold t, and t a little higher and lower, so that a product can replace the division for nearly all pairs.
struct IouThreshold {
    float exact, higher, lower;
};

YOLACT_DEVICE IouThreshold iou_threshold(float t) {
    bool const is_tiny = t < 1e-30F;  // its neighbours are no longer precise: always divide
    return {t, is_tiny ? INFINITY : t * 1.000001F, is_tiny ? 0.0F : t * 0.999999F};
}

// Whether the IoU of a and b, a division in float32, exceeds the threshold. Where it differs by more than 1e-6 of it,
// no rounding matters: those of a product and a quotient are 6e-8 each. kTiny: smaller products are not that precise.
YOLACT_DEVICE bool overlaps(Box const& a, float a_area, Box const& b, float b_area, IouThreshold const& threshold) {
    constexpr float kTiny = 1e-30F;
    float const width = fmaxf(fminf(a.x2, b.x2) - fmaxf(a.x1, b.x1), 0.0F);
    float const height = fmaxf(fminf(a.y2, b.y2) - fmaxf(a.y1, b.y1), 0.0F);
    float const intersection = width * height;
    float const all = a_area + b_area - intersection;
    bool exceeds = intersection > fmaf(threshold.higher, all, kTiny);
    if (!exceeds && intersection >= fmaf(threshold.lower, all, -kTiny)) exceeds = intersection / all > threshold.exact;
    return exceeds;
}

// The pixels [low, high) of an axis of `size` px that the crop leaves, with one pixel of padding.
struct Extent {
    int low, high;
};

YOLACT_DEVICE Extent crop_extent(float start, float end, int size) {
    float const scale = static_cast<float>(size);
    float const low = fmaxf(fminf(start * scale, end * scale) - 1.0F, 0.0F);
    float const high = fminf(fmaxf(start * scale, end * scale) + 1.0F, scale);
    return {static_cast<int>(fminf(ceilf(low), scale)), static_cast<int>(fmaxf(ceilf(high), 0.0F))};
}

}  // namespace yolact
