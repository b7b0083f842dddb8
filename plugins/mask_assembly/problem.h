// What YolactMaskAssembly is asked to do. Plain C++: the TensorRT shell, the launcher and the kernel share it.
#pragma once

#include <cstdint>

namespace yolact {

constexpr int kMaxMaskCoefs = 64;
constexpr int kMaxMasks = 1024;
constexpr int kMaxMaskSide = 4096;
constexpr int kMaxImageSide = 16384;  // px
constexpr int kWordPixels = 32;       // of a row of an image-size mask: bit b of word w is pixel 32 w + b
constexpr int kMaxMaskBatch = 65535;  // blocks along one side of a grid

struct MaskSizes {
    int32_t batch;   // B
    int32_t height;  // Hp
    int32_t width;   // Wp
    int32_t coefs;   // K
    int32_t masks;   // D
};

// Null, or what is wrong.
inline char const* out_of_range(MaskSizes const& sizes) {
    if (sizes.batch < 0 || sizes.batch > kMaxMaskBatch) return "the batch has to be up to 65535";
    if (sizes.height < 1 || sizes.height > kMaxMaskSide) return "the height of the prototypes has to be from 1 to 4096";
    if (sizes.width < 1 || sizes.width > kMaxMaskSide) return "the width of the prototypes has to be from 1 to 4096";
    if (sizes.coefs < 1 || sizes.coefs > kMaxMaskCoefs) return "the number of mask coefficients has to be from 1 to 64";
    if (sizes.masks < 0 || sizes.masks > kMaxMasks) return "the number of masks has to be up to 1024";
    return nullptr;
}

// Where masks are made at the image's size.
struct ImageSize {
    int32_t height;  // H
    int32_t width;   // W
};

inline char const* out_of_range(ImageSize const& image) {
    if (image.height < 1 || image.height > kMaxImageSide) return "the height of the image has to be from 1 to 16384";
    if (image.width < 1 || image.width > kMaxImageSide) return "the width of the image has to be from 1 to 16384";
    return nullptr;
}

// proto, coefs and masks are float or half; masks at the image's size are int32.
struct MaskTensors {
    void const* proto;   // [B,Hp,Wp,K]
    void const* coefs;   // [B,D,K]
    float const* boxes;  // [B,D,4] x1 y1 x2 y2, relative to the image; four zeros: no detection
    void* masks;         // [B,D,Hp,Wp], or [B,D,H,ceil(W/32)]
};

}  // namespace yolact
