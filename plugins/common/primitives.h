// What a GPU does its own way: atomics and 16-byte loads, each with a definition for the host.
#pragma once

#include "block.h"
#include "numbers.h"

#include <cstdint>
#include <cstdlib>
#include <cstring>

namespace yolact {

// Add to a counter in shared or global memory; returns what it held before. Who gets which number is open.
YOLACT_DEVICE int atomic_add(int* counter, int value) {
#if defined(__CUDACC__)
    return atomicAdd(counter, value);
#else
    int const before = *counter;
    *counter += value;
    return before;
#endif
}

// Set bit `index` of words in shared memory, whoever else sets another one at the same time.
YOLACT_DEVICE void set_bit(std::uint32_t* words, int index) {
#if defined(__CUDACC__)
    atomicOr(words + index / 32, 1U << index % 32);
#else
    words[index / 32] |= 1U << index % 32;
#endif
}

YOLACT_DEVICE int count_bits(std::uint32_t word) {
#if defined(__CUDACC__)
    return __popc(word);
#else
    return __builtin_popcount(word);
#endif
}

// Count one more in a histogram in shared memory.
YOLACT_DEVICE void add_to_bin(int* bins, int bin) {
#if defined(__CUDACC__)
    // Lanes that hit one bin wait for each other. Those that agree with the first lane are counted by it alone, which
    // covers the case that would hurt: all scores equal.
    unsigned const active = __activemask();
    int const first = __ffs(static_cast<int>(active)) - 1;
    bool const agrees = bin == __shfl_sync(active, bin, first);
    unsigned const agreeing = __ballot_sync(active, agrees);
    if (!agrees) {
        atomicAdd(bins + bin, 1);
    } else if (static_cast<int>(threadIdx.x & 31U) == first) {
        atomicAdd(bins + bin, __popc(agreeing));
    }
#else
    ++bins[bin];
#endif
}

// 16 bytes at once, from a 16-byte aligned address.
template <class T>
struct Pack {
    static constexpr int kCount = 16 / sizeof(T);
    T values[kCount];
};

template <class T>
YOLACT_DEVICE Pack<T> load_pack(T const* source) {
    Pack<T> pack;
#if defined(__CUDACC__)
    uint4 const words = *reinterpret_cast<uint4 const*>(source);
    memcpy(&pack, &words, sizeof pack);
#else
    if (reinterpret_cast<std::uintptr_t>(source) % 16 != 0) std::abort();  // a GPU refuses it, too
    std::memcpy(&pack, source, sizeof pack);
#endif
    return pack;
}

template <class T>
YOLACT_DEVICE void store_pack(T* target, Pack<T> const& pack) {
#if defined(__CUDACC__)
    uint4 words;
    memcpy(&words, &pack, sizeof pack);
    *reinterpret_cast<uint4*>(target) = words;
#else
    if (reinterpret_cast<std::uintptr_t>(target) % 16 != 0) std::abort();
    std::memcpy(target, &pack, sizeof pack);
#endif
}

// A step that reads source[0 .. count) from global memory, 16 bytes at a time but for the ends, and hands what it reads
// to sink(index of the first value, pack, number of values: all of a pack, or one).
template <int kInFlight, class T, class Sink>
YOLACT_DEVICE void load_span(Block& block, T const* source, int count, Sink sink) {
    constexpr int kCount = Pack<T>::kCount;
    auto const past = static_cast<int>(reinterpret_cast<std::uintptr_t>(source) % 16);
    int const head = smaller((16 - past) % 16 / static_cast<int>(sizeof(T)), count);
    int const packs = (count - head) / kCount;
    int const singles = count - packs * kCount;
    auto index_of = [&](int i) {
        int const single = i - packs;
        return i < packs ? head + i * kCount : single < head ? single : single + packs * kCount;
    };
    block.template each_loaded<kInFlight>(
        packs + singles,
        [&](int i) {
            T const* const from = source + index_of(i);
            if (i < packs) return load_pack(from);
            Pack<T> pack{};
            pack.values[0] = *from;
            return pack;
        },
        [&](int i, Pack<T> const& pack) { sink(index_of(i), pack, i < packs ? kCount : 1); });
}

}  // namespace yolact
