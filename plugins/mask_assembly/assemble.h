// The kernel of YolactMaskAssembly: sigmoid(prototypes x coefficients) inside each box, zero outside (section 3.2 of
// Bolya et al. 2019).
//
// A block brings the prototypes of a run of pixels and the coefficients of a group of masks into shared memory once,
// and computes a pixel of a mask only where the mask's box is. Bytes moved are those of the prototypes, once a group,
// and of the masks, once.
#pragma once

#include "../common/boxes.h"
#include "../common/launch_shape.h"
#include "../common/primitives.h"
#include "problem.h"

namespace yolact {

constexpr int kMaskThreads = 128;
constexpr int kMaskPixels = 128;  // a block
constexpr int kMaskGroup = 32;    // masks a block
constexpr int kLanes = Pack<float>::kCount;

template <class T>
struct MaskArguments {
    MaskSizes sizes;
    T const* proto;
    T const* coefs;
    float const* boxes;
    T* masks;
};

template <class T>
MaskArguments<T> arguments_of(MaskSizes const& sizes, MaskTensors const& tensors) {
    return {sizes, static_cast<T const*>(tensors.proto), static_cast<T const*>(tensors.coefs), tensors.boxes,
        static_cast<T*>(tensors.masks)};
}

struct Window {
    int x1, y1, x2, y2;  // pixels; empty when x2 <= x1 or y2 <= y1

    YOLACT_DEVICE bool holds(int x, int y) const { return x >= x1 && x < x2 && y >= y1 && y < y2; }
};

struct MaskShared {
    Window windows[kMaskGroup];
    int pixel_x[kMaskPixels];
    int pixel_y[kMaskPixels];
    // then, 16-byte aligned, float proto[kMaskPixels * stride], float coefs[kMaskGroup * stride]
};

static_assert(sizeof(MaskShared) % 16 == 0, "what follows is read 16 bytes at a time");

// Floats of a row of K in shared memory: whole packs, and an odd number of them, so that threads with neighbouring
// pixels hit different banks.
YOLACT_BOTH int row_stride(int coefs) { return (divided_up(coefs, kLanes) | 1) * kLanes; }

YOLACT_BOTH size_t mask_shared_bytes(MaskSizes const& sizes) {
    int const floats = (kMaskPixels + kMaskGroup) * row_stride(sizes.coefs);
    return sizeof(MaskShared) + sizeof(float) * static_cast<size_t>(floats);
}

// A box of four zeros is no detection; the crop's padding must not turn it into a pixel.
YOLACT_DEVICE Window window_of(float const* box, int height, int width) {
    if (box[0] == 0.0F && box[1] == 0.0F && box[2] == 0.0F && box[3] == 0.0F) return {0, 0, 0, 0};
    Extent const x = crop_extent(box[0], box[2], width);
    Extent const y = crop_extent(box[1], box[3], height);
    return {x.low, y.low, x.high, y.high};
}

YOLACT_DEVICE float sigmoid(float logit) { return 1.0F / (1.0F + expf(-logit)); }

// Both rows are padded with zeros to whole packs.
YOLACT_DEVICE float dot(float const* a, float const* b, int packs) {
    float sum = 0.0F;
    for (int k = 0; k < packs; ++k) {
        Pack<float> const left = load_pack(a + k * kLanes);
        Pack<float> const right = load_pack(b + k * kLanes);
        YOLACT_UNROLL
        for (int lane = 0; lane < kLanes; ++lane) sum = fmaf(left.values[lane], right.values[lane], sum);
    }
    return sum;
}

// Copy rows of K numbers, `count` rows, to rows of `stride` floats; the rest of each last pack becomes zero.
template <class T>
YOLACT_DEVICE void load_rows(Block& block, T const* source, int count, int coefs, int stride, float* target) {
    load_span<4>(block, source, count * coefs, [&](int first, Pack<T> const& pack, int values) {
        int row = first / coefs;
        int column = first - row * coefs;
        YOLACT_UNROLL
        for (int lane = 0; lane < Pack<T>::kCount; ++lane) {
            if (lane < values) target[row * stride + column] = to_float(pack.values[lane]);
            if (++column == coefs) {
                column = 0;
                ++row;
            }
        }
    });
    int const padding = divided_up(coefs, kLanes) * kLanes - coefs;
    if (padding > 0) {
        block.each(count * padding, [&](int i) { target[i / padding * stride + coefs + i % padding] = 0.0F; });
    }
}

inline LaunchShape launch_shape(MaskSizes const& sizes) {
    return {divided_up(sizes.height * sizes.width, kMaskPixels), divided_up(sizes.masks, kMaskGroup), sizes.batch,
        kMaskThreads, static_cast<int32_t>(mask_shared_bytes(sizes))};
}

// Grid: runs of pixels, groups of masks, images.
template <class T>
YOLACT_DEVICE void assemble_masks(Block& block, MaskArguments<T> const& a) {
    auto& shared = *block.shared<MaskShared>();
    int const coefs = a.sizes.coefs;
    int const stride = row_stride(coefs);
    auto* proto = reinterpret_cast<float*>(&shared + 1);
    float* rows = proto + kMaskPixels * stride;
    int const width = a.sizes.width;
    int const all_pixels = a.sizes.height * width;
    int const first_pixel = block.x() * kMaskPixels;
    int const pixels = smaller(kMaskPixels, all_pixels - first_pixel);
    int const first_mask = block.y() * kMaskGroup;
    int const masks = smaller(kMaskGroup, a.sizes.masks - first_mask);
    size_t const image = static_cast<size_t>(block.z());
    size_t const pixel_row = image * static_cast<size_t>(all_pixels) + static_cast<size_t>(first_pixel);
    size_t const mask_row = image * static_cast<size_t>(a.sizes.masks) + static_cast<size_t>(first_mask);

    block.each(masks + pixels, [&](int i) {
        if (i < masks) {
            shared.windows[i] = window_of(a.boxes + 4 * (mask_row + static_cast<size_t>(i)), a.sizes.height, width);
        } else {
            shared.pixel_x[i - masks] = (first_pixel + i - masks) % width;
            shared.pixel_y[i - masks] = (first_pixel + i - masks) / width;
        }
    });
    load_rows(block, a.proto + pixel_row * static_cast<size_t>(coefs), pixels, coefs, stride, proto);
    load_rows(block, a.coefs + mask_row * static_cast<size_t>(coefs), masks, coefs, stride, rows);
    int const packs = divided_up(coefs, kLanes);
    T* target = a.masks + mask_row * static_cast<size_t>(all_pixels) + static_cast<size_t>(first_pixel);
    block.each(kMaskPixels * masks, [&](int i) {
        int const pixel = i % kMaskPixels;
        int const mask = i / kMaskPixels;
        if (pixel >= pixels) return;
        float value = 0.0F;
        if (shared.windows[mask].holds(shared.pixel_x[pixel], shared.pixel_y[pixel])) {
            value = sigmoid(dot(proto + pixel * stride, rows + mask * stride, packs));
        }
        target[static_cast<size_t>(mask) * static_cast<size_t>(all_pixels) + static_cast<size_t>(pixel)] =
            FromFloat<T>::convert(value);
    });
}

}  // namespace yolact
