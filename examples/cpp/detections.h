// What a model of yolact-deploy found in one image, however it was computed.
#pragma once

#include "image.h"

#include <cstdint>

// The outputs on the host, each with `count` rows or more, best first.
struct Detections {
    std::int64_t count;
    float const* boxes;           // [count, 4] x1 y1 x2 y2, relative to the image
    float const* scores;          // [count]
    std::int32_t const* classes;  // [count]
    // Masks of either kind, or of none: values of one mask, and all of them.
    std::int64_t mask_values;
    float const* soft_masks;            // [count, Hp * Wp] at prototype size, above 0.5 where the instance is
    std::uint32_t const* packed_masks;  // [count, H * ceil(W/32)], where bit b of word w is pixel 32 w + b of its row
};

// Prints one line per detection from a score on: class index, score, box in pixels, and how much the mask covers.
void print(Detections const& found, Image const& image, float least_score);
