// The other mode of YolactMaskAssembly: masks at the image's size, thresholded, a bit a pixel.
//
// The masks of assemble.h, upsampled bilinearly (align_corners=False) and compared with 0.5, without ever being written
// as floats. A block makes a strip of rows of one mask, and works only where the mask's box is, in tiles: it computes
// the few pixels at prototype size that a tile is mixed from, mixes them along the rows, then mixes these rows, each
// thread the 32 pixels of a word.
#pragma once

#include "assemble.h"

namespace yolact {

constexpr int kStripRows = 32;
constexpr int kImageThreads = 128;
constexpr int kPatchFloats = 2560;  // 10 KiB
constexpr int kMixedFloats = 2048;  // 8 KiB
static_assert(2 * kStripRows * kWordPixels <= kMixedFloats, "two lines per row of a word");
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

// What a tile is, and what it is mixed from.
struct Tile {
    int first_word, words, first_row, rows;
    Window reach;

    YOLACT_DEVICE int wide() const { return larger(reach.x2 - reach.x1, 0); }
    YOLACT_DEVICE int high() const { return larger(reach.y2 - reach.y1, 0); }
    YOLACT_DEVICE int pixels() const { return words * kWordPixels; }
    YOLACT_DEVICE int first_pixel() const { return first_word * kWordPixels; }
    YOLACT_DEVICE bool fits() const { return wide() * high() <= kPatchFloats && pixels() * high() <= kMixedFloats; }
};

struct ImageMaskShared {
    Tile tile;
    Window window;  // of the mask's box, at prototype size
    float coefs[kMaxMaskCoefs];
    float patch[kPatchFloats];  // at prototype size
    float mixed[kMixedFloats];  // as many rows, each as wide as the tile
    float zeros[kWordPixels];   // a word of a row outside the window
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

// The dot product of a pixel's K prototypes and the coefficients, in the same order either way. is_packed: the
// prototypes can be read 16 bytes at a time.
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

// The words [low, high) of a row that may be other than zero: those of pixels that are mixed from some in [x1, x2), and
// of their neighbours, so that no rounding matters.
YOLACT_DEVICE Extent words_of(int x1, int x2, int source, int size) {
    float const scale = static_cast<float>(size) / static_cast<float>(source);
    int const first = static_cast<int>((static_cast<float>(x1) - 1.0F) * scale) - 2;
    int const last = static_cast<int>((static_cast<float>(x2) + 1.0F) * scale) + 2;
    return {larger(first, 0) / kWordPixels, divided_up(smaller(larger(last, 0), size), kWordPixels)};
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
    return {divided_up(image.height, kStripRows), sizes.masks, sizes.batch, kImageThreads,
        static_cast<int32_t>(sizeof(ImageMaskShared))};
}

// As many words from `first` on as fit, and at least one.
YOLACT_DEVICE Tile tile_at(
    MaskSizes const& sizes, ImageSize const& image, Window const& window, int first, int words, int first_row) {
    int const rows = smaller(kStripRows, image.height - first_row);
    Tile tile{first, words, first_row, rows, {}};
    for (;; tile.words = divided_up(tile.words, 2)) {
        int const end = smaller((first + tile.words) * kWordPixels, image.width);
        tile.reach = reach_of(sizes, image, window, first * kWordPixels, first_row, end, first_row + rows);
        if (tile.words == 1 || tile.fits()) return tile;
    }
}

// target: the strip, of rows of `stride` words. What the steps need of the tile they read from shared memory: registers
// would not do.
template <class T>
YOLACT_DEVICE void make_tile(Block& block, ImageMaskArguments<T> const& a, T const* proto, ImageMaskShared& shared,
    Tile const& whole, std::uint32_t* target, int stride) {
    bool const fits = whole.fits();
    block.each(fits ? whole.wide() * whole.high() : 0, [&](int i) {
        Tile const& tile = shared.tile;
        int const wide = tile.wide();
        shared.patch[i] = soft_at(a, proto, shared, tile.reach.x1 + i % wide, tile.reach.y1 + i / wide);
    });
    block.each(fits ? whole.pixels() : 0, [&](int x) {
        Tile const& tile = shared.tile;
        int const wide = tile.wide();
        int const high = tile.high();
        int const pixels = tile.pixels();
        Mix const column = mix_at(tile.first_pixel() + x, a.sizes.width, a.image.width);
        int const low = column.low - tile.reach.x1;
        int const right = column.high - tile.reach.x1;
        for (int y = 0; y < high; ++y) {
            float const* row = shared.patch + y * wide;
            float const left_value = low >= 0 && low < wide ? row[low] : 0.0F;
            float const right_value = right >= 0 && right < wide ? row[right] : 0.0F;
            shared.mixed[y * pixels + x] = column.low_part * left_value + column.high_part * right_value;
        }
    });
    // Where the patch has no room, a word's columns of the two lines that each row is mixed from, from the prototypes.
    block.each(fits ? 0 : 2 * whole.rows * kWordPixels, [&](int i) {
        int const line = i / kWordPixels;
        Mix const column = mix_at(shared.tile.first_pixel() + i % kWordPixels, a.sizes.width, a.image.width);
        Mix const row = mix_at(shared.tile.first_row + line / 2, a.sizes.height, a.image.height);
        int const y = line % 2 == 0 ? row.low : row.high;
        shared.mixed[i] = column.low_part * soft_at(a, proto, shared, column.low, y) +
            column.high_part * soft_at(a, proto, shared, column.high, y);
    });
    block.each(whole.words * whole.rows, [&](int i) {
        Tile const& tile = shared.tile;
        int const row = i / tile.words;
        int const word = i - row * tile.words;
        int const first = tile.first_pixel() + word * kWordPixels;
        int const count = smaller(kWordPixels, a.image.width - first);
        Mix const mix = mix_at(tile.first_row + row, a.sizes.height, a.image.height);
        auto line_at = [&](int part, int source) {
            int const line = fits ? source - tile.reach.y1 : 2 * row + part;
            bool const is_zero = fits && (line < 0 || line >= tile.high());
            return is_zero ? shared.zeros : shared.mixed + line * tile.pixels() + word * kWordPixels;
        };
        float const* above = line_at(0, mix.low);
        float const* below = line_at(1, mix.high);
        std::uint32_t bits = 0;
        for (int k = 0; k < kWordPixels; ++k) {
            int const x = (k + i) % kWordPixels;  // so that the threads of a warp hit different banks
            bool const is_set = mix.low_part * above[x] + mix.high_part * below[x] > kMaskThreshold;
            bits |= static_cast<std::uint32_t>(is_set) << x;
        }
        bits = count < kWordPixels ? bits & ((1U << count) - 1) : bits;
        target[static_cast<size_t>(row) * static_cast<size_t>(stride) + static_cast<size_t>(tile.first_word + word)] =
            bits;
    });
}

// Grid: strips of rows, masks, images.
template <class T>
YOLACT_DEVICE void assemble_image_masks(Block& block, ImageMaskArguments<T> const& a) {
    auto& shared = *block.shared<ImageMaskShared>();
    int const words = divided_up(a.image.width, kWordPixels);
    int const first_row = block.x() * kStripRows;
    int const rows = smaller(kStripRows, a.image.height - first_row);
    size_t const image = static_cast<size_t>(block.z());
    size_t const mask = image * static_cast<size_t>(a.sizes.masks) + static_cast<size_t>(block.y());
    int const coefs = a.sizes.coefs;
    T const* proto =
        a.proto + image * static_cast<size_t>(a.sizes.height * a.sizes.width) * static_cast<size_t>(coefs);
    std::uint32_t* target = a.words +
        (mask * static_cast<size_t>(a.image.height) + static_cast<size_t>(first_row)) * static_cast<size_t>(words);

    block.each(larger(coefs, kWordPixels), [&](int k) {
        if (k < kWordPixels) shared.zeros[k] = 0.0F;
        if (k < coefs) shared.coefs[k] = to_float(a.coefs[mask * static_cast<size_t>(coefs) + static_cast<size_t>(k)]);
        if (k == 0) shared.window = window_of(a.boxes + 4 * mask, a.sizes.height, a.sizes.width);
    });
    Window const window = block.read(shared.window);
    Window const strip = reach_of(a.sizes, a.image, window, 0, first_row, a.image.width, first_row + rows);
    bool const is_empty = strip.x1 >= strip.x2 || strip.y1 >= strip.y2;
    Extent const used =
        is_empty ? Extent{0, 0} : words_of(strip.x1, strip.x2, a.sizes.width, a.image.width);
    block.each(words * rows, [&](int i) {
        int const word = i % words;
        if (word < used.low || word >= used.high) target[i] = 0;
    });
    for (int first = used.low; first < used.high;) {
        block.each(1, [&](int) {
            shared.tile = tile_at(a.sizes, a.image, shared.window, first, used.high - first, first_row);
        });
        Tile const tile = block.read(shared.tile);
        make_tile(block, a, proto, shared, tile, target, words);
        first += tile.words;
    }
}

}  // namespace yolact
