// What YolactFastNMS is asked to do. Plain C++: the TensorRT shell, the launcher and the kernels share it.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace yolact {

constexpr int kMaxPriors = 65536;  // a prior's index takes 16 bits of a sort key
constexpr int kMaxClasses = 1024;  // a class takes 10 bits
constexpr int kMaxCoefs = 64;
constexpr int kMaxTopK = 1024;  // as many keys are sorted in shared memory
constexpr int kMaxDetections = 1024;
constexpr int kMaxLevels = 8;
constexpr int kMaxBatch = 65535;  // blocks along one side of a grid

struct FastNmsSettings {
    float score_threshold;  // a prior whose best class is not above it is dropped
    float iou_threshold;    // a detection falls when it overlaps a better one of its class by more
    int32_t top_k;          // candidates a class; cross-class: in all
    int32_t max_detections;
    int32_t cross_class;  // 0 or 1
    // Rules of other code than the official; 0 is its behaviour.
    int32_t clip_boxes;           // 0 or 1: hold boxes within the image
    int32_t threshold_per_class;  // 0 or 1: a detection's own score has to be above score_threshold, too
    int32_t candidates_per_level;  // of each FPN level only so many take part, by their best class; 0: all
    int32_t levels;                // where they are limited
    int32_t level_priors[kMaxLevels];  // priors of each level
};

struct FastNmsSizes {
    int32_t batch;    // B
    int32_t priors;   // N
    int32_t classes;  // C, without background
    int32_t coefs;    // K
};

// Rows of the outputs. The official cross-class result is cut at top_k, not at max_detections.
inline int output_count(FastNmsSettings const& settings) {
    return settings.cross_class ? settings.top_k : settings.max_detections;
}

// Null, or what is wrong.
inline char const* out_of_range(FastNmsSettings const& settings) {
    auto is_share = [](float value) { return value >= 0.0F && value <= 1.0F; };  // a NaN is none
    auto is_count = [](int32_t value, int32_t most) { return value >= 1 && value <= most; };
    auto is_choice = [](int32_t value) { return value == 0 || value == 1; };
    if (!is_share(settings.score_threshold)) return "score_threshold has to be from 0 to 1";
    if (!is_share(settings.iou_threshold)) return "iou_threshold has to be from 0 to 1";
    if (!is_count(settings.top_k, kMaxTopK)) return "top_k has to be from 1 to 1024";
    if (!is_count(settings.max_detections, kMaxDetections)) return "max_detections has to be from 1 to 1024";
    if (!is_choice(settings.cross_class)) return "cross_class has to be 0 or 1";
    if (!is_choice(settings.clip_boxes)) return "clip_boxes has to be 0 or 1";
    if (!is_choice(settings.threshold_per_class)) return "threshold_per_class has to be 0 or 1";
    if (settings.candidates_per_level == 0) return nullptr;
    if (!is_count(settings.candidates_per_level, kMaxPriors)) return "candidates_per_level has to be from 0 to 65536";
    if (!is_count(settings.levels, kMaxLevels)) return "level_priors has to have from 1 to 8 numbers";
    for (int level = 0; level < settings.levels; ++level) {
        if (!is_count(settings.level_priors[level], kMaxPriors)) return "level_priors has to hold numbers from 1 to 65536";
    }
    return nullptr;
}

inline char const* out_of_range(FastNmsSizes const& sizes) {
    if (sizes.batch < 0 || sizes.batch > kMaxBatch) return "the batch has to be up to 65535";
    if (sizes.priors < 1 || sizes.priors > kMaxPriors) return "the number of priors has to be from 1 to 65536";
    if (sizes.classes < 1 || sizes.classes > kMaxClasses) return "the number of classes has to be from 1 to 1024";
    if (sizes.coefs < 1 || sizes.coefs > kMaxCoefs) return "the number of mask coefficients has to be from 1 to 64";
    return nullptr;
}

// Whether the levels that settings in range name, where they limit candidates, are those of so many priors.
inline bool has_levels_of(FastNmsSettings const& settings, FastNmsSizes const& sizes) {
    int64_t priors = 0;
    for (int level = 0; level < settings.levels; ++level) priors += settings.level_priors[level];
    return settings.candidates_per_level == 0 || priors == sizes.priors;
}

// Whether the kernels can run.
inline bool is_possible(FastNmsSizes const& sizes, FastNmsSettings const& settings) {
    return !out_of_range(sizes) && !out_of_range(settings) && has_levels_of(settings, sizes);
}

// In the order in which they run.
enum class FastNmsKernel : int32_t { kFilter, kLimit, kSuppress, kFinish };
constexpr FastNmsKernel kFastNmsKernels[] = {
    FastNmsKernel::kFilter, FastNmsKernel::kLimit, FastNmsKernel::kSuppress, FastNmsKernel::kFinish};

inline bool is_needed(FastNmsKernel kernel, FastNmsSettings const& settings) {
    return kernel != FastNmsKernel::kLimit || settings.candidates_per_level > 0;
}

// Where the tensors are: loc, conf and coef in, coefs out are float or half, all else is float or int32.
struct FastNmsTensors {
    void const* loc;      // [B,N,4]
    void const* conf;     // [B,N,1+C] after softmax, background first
    void const* coef;     // [B,N,K]
    float const* priors;  // [N,4] cx cy w h
    float* boxes;         // [B,D,4] x1 y1 x2 y2
    float* scores;        // [B,D]
    int32_t* classes;     // [B,D]
    void* coefs;          // [B,D,K]
    int32_t* num_detections;  // [B]
};

struct Box;  // of common/boxes.h: 4 floats

// The workspace, which needs no particular content at first: the counters, then, each 256-byte aligned, the arrays.
struct FastNmsWorkspace {
    int32_t* counters;       // [B,2] candidates, survivors; cleared by the launcher
    int32_t* candidates;     // [B,N] priors that take part, in any order; marked: too many of their level are better
    float* scores;           // [B,lists,N] of the candidates, in the same order; cross-class: of their best classes
    Box* prior_boxes;        // [B,N] of the candidates, decoded
    int32_t* prior_classes;  // [B,N] best class of the candidates; cross-class only
    float* best_scores;      // [B,N] of the candidates, in their order; where levels have a limit, not cross-class
    uint64_t* survivors;     // [B,lists*limit] keys, in any order
    int32_t lists;           // of candidates: one per class; cross-class: one
    int32_t limit;           // survivors of a list: no more are compared, or are output
    size_t survivors_per_image;  // lists * limit
    size_t counter_bytes;
    size_t bytes;
};

inline FastNmsWorkspace carve_workspace(FastNmsSizes const& sizes, FastNmsSettings const& settings, void* memory) {
    size_t offset = 0;
    auto take = [&](size_t count, size_t item) {
        char* start = static_cast<char*>(memory) + offset;
        offset += (count * item + 255) / 256 * 256;
        return static_cast<void*>(start);
    };
    size_t const batch = static_cast<size_t>(sizes.batch);
    size_t const all_priors = batch * static_cast<size_t>(sizes.priors);
    FastNmsWorkspace workspace{};
    workspace.lists = settings.cross_class ? 1 : sizes.classes;
    workspace.limit = std::min({settings.top_k, sizes.priors, output_count(settings)});
    workspace.survivors_per_image = static_cast<size_t>(workspace.lists) * static_cast<size_t>(workspace.limit);
    workspace.counters = static_cast<int32_t*>(take(batch * 2, sizeof(int32_t)));
    workspace.counter_bytes = batch * 2 * sizeof(int32_t);
    workspace.candidates = static_cast<int32_t*>(take(all_priors, sizeof(int32_t)));
    workspace.scores = static_cast<float*>(take(all_priors * static_cast<size_t>(workspace.lists), sizeof(float)));
    workspace.prior_boxes = static_cast<Box*>(take(all_priors, 4 * sizeof(float)));
    workspace.prior_classes = static_cast<int32_t*>(take(settings.cross_class ? all_priors : 0, sizeof(int32_t)));
    bool const has_best = settings.candidates_per_level > 0 && !settings.cross_class;
    workspace.best_scores = has_best ? static_cast<float*>(take(all_priors, sizeof(float))) : nullptr;
    workspace.survivors = static_cast<uint64_t*>(take(batch * workspace.survivors_per_image, sizeof(uint64_t)));
    workspace.bytes = offset;
    return workspace;
}

}  // namespace yolact
