// A soft mask of the whole frame at prototype size -> a soft mask of its box alone, at a size that suits the box.
#pragma once

#include <vector>

// A rectangle relative to the frame: 0 <= x1 <= x2 <= 1, and y alike.
struct Box {
    float x1, y1, x2, y2;
};

// How many pixels the mask of a box side gets that has `pixels` network pixels.
unsigned int mask_side(float pixels);

// Where the pixels of a mask lie along one axis of the frame: each mixes two neighbouring prototype pixels.
struct Axis {
    std::vector<unsigned int> left;  // never the last prototype pixel unless there is only one
    std::vector<float> right_weight;
};

// The axis of a mask of `size` pixels from `low` to `high`, relative to a frame of `prototype` pixels: bilinear, with
// the centres of pixels at half positions, as the frame's own masks are made (PyTorch's align_corners=False).
Axis make_axis(float low, float high, unsigned int size, unsigned int prototype);

// Fills `target` [rows.left.size(), columns.left.size()] from `mask` [mask_height, mask_width].
void resample(float const* mask, unsigned int mask_height, unsigned int mask_width, Axis const& rows,
    Axis const& columns, float* target);
