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
constexpr int kFan = 16;  // bins, or sums of bins, that one thread adds up
constexpr int kSums = kBins / kFan;
constexpr int kSumsOfSums = kSums / kFan;
constexpr int kInFlight = 8;  // loads of a thread

struct Found {
    int digit;   // the bin, or the sum of bins, in which the key that is looked for lies
    int above;   // keys in higher ones
    int inside;  // keys in this one
};

struct SelectShared {
    std::uint64_t keys[kSortedKeys];
    int bins[kBins];
    int sums[kSums];  // of kFan bins each
    int sums_of_sums[kSumsOfSums];
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

// Add up kFan neighbours each.
YOLACT_DEVICE void add_up(Block& block, int const* counts, int sums, int* target) {
    block.each(sums, [&](int s) {
        int sum = 0;
        YOLACT_UNROLL
        for (int k = 0; k < kFan; ++k) sum += counts[s * kFan + (k ^ s % kFan)];  // spread over the banks
        target[s] = sum;
    });
}

// Of the kCount counts that belong to `range`, the one that holds the key of rank `wanted`. Exactly one thread finds
// it.
template <int kCount>
YOLACT_DEVICE Found narrow(Block& block, int const* counts, Found const& range, int wanted, Found& found) {
    block.each(kCount, [&](int k) {
        int const first = range.digit * kCount;
        int above = range.above;
        YOLACT_UNROLL
        for (int other = 0; other < kCount; ++other) above += other > k ? counts[first + other] : 0;
        int const inside = counts[first + k];
        if (above < wanted && wanted <= above + inside) found = {first + k, above, inside};
    });
    return block.read(found);
}

// The bin that holds the key of rank `wanted`, counted from 1 at the highest key.
YOLACT_DEVICE Found find_bin(Block& block, SelectShared& shared, int wanted) {
    add_up(block, shared.bins, kSums, shared.sums);
    add_up(block, shared.sums, kSumsOfSums, shared.sums_of_sums);
    Found found = narrow<kSumsOfSums>(block, shared.sums_of_sums, {0, 0, 0}, wanted, shared.found);
    found = narrow<kFan>(block, shared.sums, found, wanted, shared.found);
    return narrow<kFan>(block, shared.bins, found, wanted, shared.found);
}

struct Bound {
    std::uint64_t lowest;
    int count;  // keys that are not below it
};

// A bound that the n best of `count` > `most` keys reach, and no more than `most` keys in all. n <= most. Keys of zero
// count for nothing; there are more than n others, which are unique.
template <class Load, class KeyOf>
YOLACT_DEVICE Bound bound_of_best(
    Block& block, Load load, KeyOf key_of, int count, int n, int most, SelectShared& shared) {
    std::uint64_t prefix = 0;  // the digits found so far
    int shift = 64;            // where they end
    int wanted = n;            // rank, among the keys with this prefix, of the last one that is wanted
    int collected = count;
    while (collected > most) {  // ends at the latest with the last digit: keys are unique and n <= most
        int const width = smaller(kDigitBits, shift);
        int const next = shift - width;
        std::uint64_t const mask = (1ULL << width) - 1;
        block.each(kBins, [&](int i) {
            shared.bins[i] = 0;
            if (i == 0) shared.count = 0;
        });
        block.template each_loaded<kInFlight>(count, load, [&](int, auto const& loaded) {
            std::uint64_t const key = key_of(loaded);
            if (shift == 64 || key >> shift == prefix) add_to_bin(shared.bins, static_cast<int>(key >> next & mask));
        });
        Found const found = find_bin(block, shared, wanted);
        prefix = prefix << width | static_cast<std::uint64_t>(found.digit);
        shift = next;
        wanted -= found.above;
        collected = n - wanted + found.inside;
    }
    return {prefix << shift, collected};
}

// Collect, unsorted, the n best of `count` > kSortedKeys keys and perhaps some more; returns how many.
template <class Load, class KeyOf>
YOLACT_DEVICE int collect_best(Block& block, Load load, KeyOf key_of, int count, int n, SelectShared& shared) {
    int const most = n <= kFewKeys ? kFewKeys : kSortedKeys;
    Bound const bound = bound_of_best(block, load, key_of, count, n, most, shared);
    block.template each_loaded<kInFlight>(count, load, [&](int, auto const& loaded) {
        std::uint64_t const key = key_of(loaded);
        if (key >= bound.lowest) shared.keys[atomic_add(&shared.count, 1)] = key;
    });
    return bound.count;
}

// shared.keys[0 .. result): the `wanted` largest of key_of(load(0 .. count)), largest first. wanted <= kSortedKeys.
// `load` only loads, so that several values of a thread are in flight together.
template <class Load, class KeyOf>
YOLACT_DEVICE int select_best(Block& block, Load load, KeyOf key_of, int count, int wanted, SelectShared& shared) {
    int const n = smaller(count, wanted);
    int collected = count;
    if (count <= kSortedKeys) {
        block.template each_loaded<2>(count, load, [&](int i, auto const& loaded) { shared.keys[i] = key_of(loaded); });
    } else {
        collected = collect_best(block, load, key_of, count, n, shared);
    }
    sort_descending(block, shared.keys, collected);
    return n;
}

}  // namespace yolact
