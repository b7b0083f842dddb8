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
constexpr int kMaxBatch = 65535;  // blocks along one side of a grid

struct FastNmsSettings {
    float score_threshold;  // a prior whose best class is not above it is dropped
    float iou_threshold;    // a detection falls when it overlaps a better one of its class by more
    int32_t top_k;          // candidates a class; cross-class: in all
    int32_t max_detections;
    int32_t cross_class;  // 0 or 1
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
    if (!is_share(settings.score_threshold)) return "score_threshold has to be from 0 to 1";
    if (!is_share(settings.iou_threshold)) return "iou_threshold has to be from 0 to 1";
    if (!is_count(settings.top_k, kMaxTopK)) return "top_k has to be from 1 to 1024";
    if (!is_count(settings.max_detections, kMaxDetections)) return "max_detections has to be from 1 to 1024";
    if (settings.cross_class != 0 && settings.cross_class != 1) return "cross_class has to be 0 or 1";
    return nullptr;
}

inline char const* out_of_range(FastNmsSizes const& sizes) {
    if (sizes.batch < 0 || sizes.batch > kMaxBatch) return "the batch has to be up to 65535";
    if (sizes.priors < 1 || sizes.priors > kMaxPriors) return "the number of priors has to be from 1 to 65536";
    if (sizes.classes < 1 || sizes.classes > kMaxClasses) return "the number of classes has to be from 1 to 1024";
    if (sizes.coefs < 1 || sizes.coefs > kMaxCoefs) return "the number of mask coefficients has to be from 1 to 64";
    return nullptr;
}

// In the order in which they run.
enum class FastNmsKernel : int32_t { kFilter, kSuppress, kFinish };
constexpr FastNmsKernel kFastNmsKernels[] = {
    FastNmsKernel::kFilter, FastNmsKernel::kSuppress, FastNmsKernel::kFinish};

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
    int32_t* candidates;     // [B,N] priors that take part, in any order
    float* scores;           // [B,lists,N] of the candidates, in the same order; cross-class: of their best classes
    Box* prior_boxes;        // [B,N] of the candidates, decoded
    int32_t* prior_classes;  // [B,N] best class of the candidates; cross-class only
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
    workspace.survivors = static_cast<uint64_t*>(take(batch * workspace.survivors_per_image, sizeof(uint64_t)));
    workspace.bytes = offset;
    return workspace;
}

}  // namespace yolact
