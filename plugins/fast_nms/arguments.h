// What the kernels of YolactFastNMS get, and the sort key that frees their result from the order of execution.
#pragma once

#include "../common/numbers.h"
#include "problem.h"

namespace yolact {

template <class T>
struct FastNmsArguments {
    FastNmsSizes sizes;
    FastNmsSettings settings;
    FastNmsWorkspace work;
    int32_t rows;  // of the outputs
    T const* loc;
    T const* conf;
    T const* coef;
    float const* priors;
    float* boxes;
    float* scores;
    int32_t* classes;
    T* coefs;
    int32_t* num_detections;
};

template <class T>
FastNmsArguments<T> arguments_of(
    FastNmsSizes const& sizes, FastNmsSettings const& settings, FastNmsTensors const& tensors, void* workspace) {
    return {sizes, settings, carve_workspace(sizes, settings, workspace), output_count(settings),
        static_cast<T const*>(tensors.loc), static_cast<T const*>(tensors.conf), static_cast<T const*>(tensors.coef),
        tensors.priors, tensors.boxes, tensors.scores, tensors.classes, static_cast<T*>(tensors.coefs),
        tensors.num_detections};
}

struct Candidate {
    float score;
    int prior;  // may be marked
};

// A prior that does not take part after all, as one negative number.
YOLACT_DEVICE int marked(int prior) { return ~prior; }
YOLACT_DEVICE bool is_marked(int prior) { return prior < 0; }

// A key orders detections: larger is better. Score first, then the lower class, then the lower prior. No two are equal,
// and none is zero.
constexpr int kPriorBits = 16;
constexpr int kClassBits = 10;
constexpr int kScoreShift = 64 - 32;
constexpr int kClassShift = kScoreShift - kClassBits;
constexpr int kPriorShift = kClassShift - kPriorBits;
constexpr std::uint32_t kLastClass = (1U << kClassBits) - 1;
constexpr std::uint32_t kLastPrior = (1U << kPriorBits) - 1;

YOLACT_DEVICE std::uint64_t make_key(float score, int class_index, int prior) {
    std::uint32_t const bits = bits_of(score == 0.0F ? 0.0F : score);  // -0 and 0 are equal
    // Floats as unsigned numbers in the same order: negative ones, which probabilities never are, lie below.
    std::uint32_t const ordered = bits & 0x80000000U ? ~bits : bits | 0x80000000U;
    return static_cast<std::uint64_t>(ordered) << kScoreShift |
        static_cast<std::uint64_t>(kLastClass - static_cast<std::uint32_t>(class_index)) << kClassShift |
        static_cast<std::uint64_t>(kLastPrior - static_cast<std::uint32_t>(prior)) << kPriorShift;
}

YOLACT_DEVICE float score_of(std::uint64_t key) {
    auto const ordered = static_cast<std::uint32_t>(key >> kScoreShift);
    return float_of(ordered & 0x80000000U ? ordered & 0x7FFFFFFFU : ~ordered);
}

YOLACT_DEVICE int class_of(std::uint64_t key) {
    return static_cast<int>(kLastClass - (static_cast<std::uint32_t>(key >> kClassShift) & kLastClass));
}

YOLACT_DEVICE int prior_of(std::uint64_t key) {
    return static_cast<int>(kLastPrior - (static_cast<std::uint32_t>(key >> kPriorShift) & kLastPrior));
}

}  // namespace yolact
