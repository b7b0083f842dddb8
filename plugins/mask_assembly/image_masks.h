// The other mode of YolactMaskAssembly: masks at the image's size, thresholded, a bit a pixel.
//
// The masks of assemble.h, upsampled bilinearly (align_corners=False) and compared with 0.5, without ever being written
// as floats. A block makes a tile of one mask: it computes the few pixels at prototype size that the tile is mixed
// from, then each thread mixes the 32 pixels of a word. A tile that the mask's box does not reach is zeros at once.
#pragma once

#include "assemble.h"

namespace yolact {

constexpr int kTileWords = 4;
constexpr int kTileRows = 32;
constexpr int kImageThreads = kTileWords * kTileRows;
constexpr int kPatchFloats = 4096;  // 16 KiB: a tile of an image much smaller than the mask is mixed from more
constexpr float kMaskThreshold = 0.5F;

template <class T>
struct ImageMaskArguments {
    MaskSizes sizes;
    ImageSize image;
    T const* proto;
    T const* coefs;
    float const* boxes;
    std::uint32_t* words;
};

template <class T>
ImageMaskArguments<T> arguments_of(MaskSizes const& sizes, ImageSize const& image, MaskTensors const& tensors) {
    return {sizes, image, static_cast<T const*>(tensors.proto), static_cast<T const*>(tensors.coefs), tensors.boxes,
        static_cast<std::uint32_t*>(tensors.masks)};
}

struct ImageMaskShared {
    Window window;  // of the mask's box, at prototype size
    float coefs[kMaxMaskCoefs];
    float patch[kPatchFloats];
};

// The two pixels of an axis of `source` px that output pixel i is mixed from, and their parts, as PyTorch has it.
struct Mix {
    int low, high;
    float low_part, high_part;
};

YOLACT_DEVICE Mix mix_at(int i, int source, int size) {
    float const scale = static_cast<float>(source) / static_cast<float>(size);
    float const position = fmaxf((static_cast<float>(i) + 0.5F) * scale - 0.5F, 0.0F);
    int const low = smaller(static_cast<int>(position), source - 1);
    float const high_part = fminf(position - static_cast<float>(low), 1.0F);
    return {low, smaller(low + 1, source - 1), 1.0F - high_part, high_part};
}

// The dot product of a pixel's K prototypes and the coefficients, in the same order either way. is_packed: the prototypes
// can be read 16 bytes at a time.
template <class T>
YOLACT_DEVICE float logit_of(T const* pixel, float const* coefs, int count, bool is_packed) {
    float sum = 0.0F;
    if (is_packed) {
        constexpr int kCount = Pack<T>::kCount;
        for (int first = 0; first < count; first += kCount) {
            Pack<T> const pack = load_pack(pixel + first);
            YOLACT_UNROLL
            for (int k = 0; k < kCount; ++k) sum = fmaf(to_float(pack.values[k]), coefs[first + k], sum);
        }
    } else {
        for (int k = 0; k < count; ++k) sum = fmaf(to_float(pixel[k]), coefs[k], sum);
    }
    return sum;
}

// One pixel at prototype size; proto: of this image.
template <class T>
YOLACT_DEVICE float soft_at(
    ImageMaskArguments<T> const& a, T const* proto, ImageMaskShared const& shared, int x, int y) {
    if (!shared.window.holds(x, y)) return 0.0F;
    int const coefs = a.sizes.coefs;
    T const* pixel = proto + static_cast<size_t>(y * a.sizes.width + x) * static_cast<size_t>(coefs);
    bool const is_packed = coefs % Pack<T>::kCount == 0 && reinterpret_cast<std::uintptr_t>(proto) % 16 == 0;
    return sigmoid(logit_of(pixel, shared.coefs, coefs, is_packed));
}

// The word of pixels [first, first + 32) of row y. soft(x, y): the mask at prototype size.
template <class Soft>
YOLACT_DEVICE std::uint32_t word_at(MaskSizes const& sizes, ImageSize const& image, int first, int y, Soft soft) {
    Mix const row = mix_at(y, sizes.height, image.height);
    int const last = smaller(first + kWordPixels, image.width);
    std::uint32_t word = 0;
    for (int x = first; x < last; ++x) {
        Mix const column = mix_at(x, sizes.width, image.width);
        auto mixed = [&](int at) {
            return column.low_part * soft(column.low, at) + column.high_part * soft(column.high, at);
        };
        float const upper = mixed(row.low);
        float const lower = mixed(row.high);
        bool const is_inside = row.low_part * upper + row.high_part * lower > kMaskThreshold;
        word |= static_cast<std::uint32_t>(is_inside) << (x - first);
    }
    return word;
}

// What a tile of [x, x_end) x [y, y_end) px is mixed from, as far as the box leaves it.
YOLACT_DEVICE Window reach_of(
    MaskSizes const& sizes, ImageSize const& image, Window const& window, int x, int y, int x_end, int y_end) {
    return {larger(window.x1, mix_at(x, sizes.width, image.width).low),
        larger(window.y1, mix_at(y, sizes.height, image.height).low),
        smaller(window.x2, mix_at(x_end - 1, sizes.width, image.width).high + 1),
        smaller(window.y2, mix_at(y_end - 1, sizes.height, image.height).high + 1)};
}

inline LaunchShape launch_shape(MaskSizes const& sizes, ImageSize const& image) {
    int const tiles =
        divided_up(divided_up(image.width, kWordPixels), kTileWords) * divided_up(image.height, kTileRows);
    return {tiles, sizes.masks, sizes.batch, kImageThreads, static_cast<int32_t>(sizeof(ImageMaskShared))};
}

// Grid: tiles of the image, masks, images.
template <class T>
YOLACT_DEVICE void assemble_image_masks(Block& block, ImageMaskArguments<T> const& a) {
    auto& shared = *block.shared<ImageMaskShared>();
    int const words = divided_up(a.image.width, kWordPixels);
    int const tiles = divided_up(words, kTileWords);
    int const first_word = block.x() % tiles * kTileWords;
    int const first_row = block.x() / tiles * kTileRows;
    int const tile_words = smaller(kTileWords, words - first_word);
    int const tile_rows = smaller(kTileRows, a.image.height - first_row);
    size_t const image = static_cast<size_t>(block.z());
    size_t const mask = image * static_cast<size_t>(a.sizes.masks) + static_cast<size_t>(block.y());
    int const coefs = a.sizes.coefs;
    T const* proto =
        a.proto + image * static_cast<size_t>(a.sizes.height * a.sizes.width) * static_cast<size_t>(coefs);
    std::uint32_t* target = a.words + (mask * static_cast<size_t>(a.image.height) + static_cast<size_t>(first_row)) *
            static_cast<size_t>(words) + static_cast<size_t>(first_word);

    block.each(coefs, [&](int k) {
        shared.coefs[k] = to_float(a.coefs[mask * static_cast<size_t>(coefs) + static_cast<size_t>(k)]);
        if (k == 0) shared.window = window_of(a.boxes + 4 * mask, a.sizes.height, a.sizes.width);
    });
    int const end_x = smaller((first_word + tile_words) * kWordPixels, a.image.width);
    Window const reach = reach_of(a.sizes, a.image, block.read(shared.window), first_word * kWordPixels, first_row,
        end_x, first_row + tile_rows);
    int const wide = larger(reach.x2 - reach.x1, 0);
    int const high = larger(reach.y2 - reach.y1, 0);
    bool const fits = wide * high <= kPatchFloats;
    block.each(fits ? wide * high : 0, [&](int i) {
        shared.patch[i] = soft_at(a, proto, shared, reach.x1 + i % wide, reach.y1 + i / wide);
    });
    block.each(tile_words * tile_rows, [&](int i) {
        int const word = i % tile_words;
        int const row = i / tile_words;
        auto soft = [&](int x, int y) {
            if (!reach.holds(x, y)) return 0.0F;
            return fits ? shared.patch[(y - reach.y1) * wide + x - reach.x1] : soft_at(a, proto, shared, x, y);
        };
        std::uint32_t bits = 0;
        if (wide * high > 0) {
            bits = word_at(a.sizes, a.image, (first_word + word) * kWordPixels, first_row + row, soft);
        }
        target[static_cast<size_t>(row) * static_cast<size_t>(words) + static_cast<size_t>(word)] = bits;
    });
}

}  // namespace yolact
