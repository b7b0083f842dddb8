// Half precision, bits of floats, and the arithmetic that must be the same on both sides.
#pragma once

#include "block.h"

#if defined(__CUDACC__)
#include <cuda_fp16.h>
#endif

#include <cmath>
#include <cstdint>
#include <cstring>

namespace yolact {

#if defined(__CUDACC__)
using Half = __half;

YOLACT_DEVICE float to_float(Half value) { return __half2float(value); }
YOLACT_DEVICE std::uint32_t bits_of(float value) { return __float_as_uint(value); }
YOLACT_DEVICE float float_of(std::uint32_t bits) { return __uint_as_float(bits); }
#else
struct Half {
    std::uint16_t bits;
};

inline std::uint32_t bits_of(float value) {
    std::uint32_t bits;
    std::memcpy(&bits, &value, sizeof bits);
    return bits;
}

inline float float_of(std::uint32_t bits) {
    float value;
    std::memcpy(&value, &bits, sizeof value);
    return value;
}

inline float to_float(Half value) {
    std::uint32_t const sign = (value.bits & 0x8000U) << 16;
    std::uint32_t const rest = value.bits & 0x7FFFU;
    if (rest >= 0x7C00U) return float_of(sign | 0x7F800000U | (rest & 0x3FFU) << 13);  // infinite or NaN
    if (rest < 0x400U) {  // zero or subnormal: a multiple of 2^-24
        float const size = static_cast<float>(rest) * 0x1p-24F;
        return sign ? -size : size;
    }
    return float_of(sign | ((rest << 13) + (112U << 23)));  // 112: the difference of the exponents' biases
}

// To nearest, ties to even.
inline Half to_half(float value) {
    std::uint32_t const bits = bits_of(value);
    auto const sign = static_cast<std::uint16_t>(bits >> 16 & 0x8000U);
    std::uint32_t const rest = bits & 0x7FFFFFFFU;
    std::uint32_t half = 0;
    if (rest > 0x7F800000U) {
        half = 0x7E00U;
    } else if (rest >= 0x477FF000U) {  // 65520: halfway from the largest half to the next power of two
        half = 0x7C00U;
    } else if (rest < 0x38800000U) {  // below 2^-14: adding 0.5 leaves the multiple of 2^-24 in the last bits
        half = bits_of(float_of(rest) + 0.5F) - 0x3F000000U;
    } else {
        half = (rest - (112U << 23) + 0xFFFU + (rest >> 13 & 1U)) >> 13;
    }
    return Half{static_cast<std::uint16_t>(sign | half)};
}
#endif

YOLACT_DEVICE float to_float(float value) { return value; }

template <class T>
struct FromFloat;

template <>
struct FromFloat<float> {
    YOLACT_DEVICE static float convert(float value) { return value; }
};

template <>
struct FromFloat<Half> {
#if defined(__CUDACC__)
    YOLACT_DEVICE static Half convert(float value) { return __float2half_rn(value); }
#else
    static Half convert(float value) { return to_half(value); }
#endif
};

YOLACT_BOTH int smaller(int a, int b) { return a < b ? a : b; }
YOLACT_BOTH int larger(int a, int b) { return a > b ? a : b; }
YOLACT_BOTH int divided_up(int a, int b) { return (a + b - 1) / b; }

}  // namespace yolact
