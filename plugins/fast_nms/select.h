// The n largest of many unique keys, sorted, in shared memory.
//
// Up to kSortedKeys keys are simply sorted. Of more, a radix select finds a lower bound that few enough exceed: each
// pass counts one digit of the keys that agree with the digits found before, and stops as soon as what is left fits.
#pragma once

#include "../common/primitives.h"

namespace yolact {

constexpr int kSortedKeys = 1024;
constexpr int kFewKeys = 512;  // worth one more pass: sorting twice as many costs more
constexpr int kDigitBits = 11;
constexpr int kBins = 1 << kDigitBits;
constexpr int kChunk = 16;  // bins that one thread adds up

struct Found {
    int digit;   // the bin in which the key that is looked for lies
    int above;   // keys in higher bins
    int inside;  // keys in this bin
};

struct SelectShared {
    std::uint64_t keys[kSortedKeys];
    int bins[kBins];
    int chunks[kBins / kChunk];
    int chunk;
    int chunk_above;
    Found found;
    int count;
};

YOLACT_DEVICE int power_of_two_from(int n) {
    int size = 1;
    while (size < n) size *= 2;
    return size;
}

// Bitonic sort, largest first; keys past `count` become zeros, which sort last.
YOLACT_DEVICE void sort_descending(Block& block, std::uint64_t* keys, int count) {
    int const size = power_of_two_from(count);
    block.each(size - count, [&](int i) { keys[count + i] = 0; });
    for (int run = 2; run <= size; run *= 2) {
        for (int gap = run / 2; gap > 0; gap /= 2) {
            block.each(size / 2, [&](int i) {
                int const left = (i & ~(gap - 1)) * 2 | (i & (gap - 1));
                int const right = left + gap;
                std::uint64_t const a = keys[left];
                std::uint64_t const b = keys[right];
                bool const descending = (left & run) == 0;
                if ((a < b) == descending) {
                    keys[left] = b;
                    keys[right] = a;
                }
            });
        }
    }
}

// The bin that holds the key of rank `wanted`, counted from 1 at the highest key. Exactly one thread finds it.
YOLACT_DEVICE Found find_bin(Block& block, SelectShared& shared, int bins, int wanted) {
    int const chunks = bins / kChunk;
    block.each(chunks, [&](int c) {
        int sum = 0;
        for (int k = 0; k < kChunk; ++k) sum += shared.bins[c * kChunk + (c + k) % kChunk];  // spread over the banks
        shared.chunks[c] = sum;
    });
    block.each(chunks, [&](int c) {
        int above = 0;
        for (int other = c + 1; other < chunks; ++other) above += shared.chunks[other];
        if (above < wanted && wanted <= above + shared.chunks[c]) {
            shared.chunk = c;
            shared.chunk_above = above;
        }
    });
    block.each(kChunk, [&](int k) {
        int const first = shared.chunk * kChunk;
        int above = shared.chunk_above;
        for (int other = k + 1; other < kChunk; ++other) above += shared.bins[first + other];
        int const inside = shared.bins[first + k];
        if (above < wanted && wanted <= above + inside) shared.found = {first + k, above, inside};
    });
    return block.read(shared.found);
}

// Collect, unsorted, the n best of `count` > kSortedKeys keys and perhaps some more; returns how many.
template <class Source>
YOLACT_DEVICE int collect_best(Block& block, Source key_at, int count, int n, SelectShared& shared) {
    int const limit = n <= kFewKeys ? kFewKeys : kSortedKeys;
    std::uint64_t prefix = 0;  // the digits found so far
    int shift = 64;            // where they end
    int wanted = n;            // rank, among the keys with this prefix, of the last one that is wanted
    int collected = count;
    while (collected > limit) {  // ends at the latest with the last digit: keys are unique and n <= limit
        int const width = smaller(kDigitBits, shift);
        int const next = shift - width;
        std::uint64_t const mask = (1ULL << width) - 1;
        block.each(1 << width, [&](int i) { shared.bins[i] = 0; });
        block.template each<4>(count, [&](int i) {
            std::uint64_t const key = key_at(i);
            if (shift == 64 || key >> shift == prefix) add_to_bin(shared.bins, static_cast<int>(key >> next & mask));
        });
        Found const found = find_bin(block, shared, 1 << width, wanted);
        prefix = prefix << width | static_cast<std::uint64_t>(found.digit);
        shift = next;
        wanted -= found.above;
        collected = n - wanted + found.inside;
    }
    std::uint64_t const lowest = prefix << shift;
    block.each(1, [&](int) { shared.count = 0; });
    block.template each<4>(count, [&](int i) {
        std::uint64_t const key = key_at(i);
        if (key >= lowest) shared.keys[atomic_add(&shared.count, 1)] = key;
    });
    return collected;
}

// shared.keys[0 .. result): the `wanted` largest of key_at(0 .. count), largest first. wanted <= kSortedKeys.
template <class Source>
YOLACT_DEVICE int select_best(Block& block, Source key_at, int count, int wanted, SelectShared& shared) {
    int const n = smaller(count, wanted);
    int collected = count;
    if (count <= kSortedKeys) {
        block.each(count, [&](int i) { shared.keys[i] = key_at(i); });
    } else {
        collected = collect_best(block, key_at, count, n, shared);
    }
    sort_descending(block, shared.keys, collected);
    return n;
}

}  // namespace yolact
