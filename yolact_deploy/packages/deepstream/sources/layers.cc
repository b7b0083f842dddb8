#include "layers.h"

#include <cmath>
#include <cstdint>
#include <cstring>
#include <initializer_list>

namespace {

constexpr unsigned int kMaxSide = 1u << 14;  // of any dimension: far more than a model has

std::string dims_text(NvDsInferDims const& dims) {
    std::string text = "[";
    for (unsigned int axis = 0; axis < dims.numDims && axis < NVDSINFER_MAX_DIMS; ++axis) {
        text += (axis ? "," : "") + std::to_string(dims.d[axis]);
    }
    return text + "]";
}

// A newer DeepStream may have types that the enumeration here has not, and to read one of them as such is undefined.
std::int32_t type_of(NvDsInferLayerInfo const& layer) {
    std::int32_t value = 0;
    static_assert(sizeof value == sizeof layer.dataType);
    std::memcpy(&value, &layer.dataType, sizeof value);
    return value;
}

NvDsInferLayerInfo const* find(std::vector<NvDsInferLayerInfo> const& layers, char const* name) {
    for (NvDsInferLayerInfo const& layer : layers) {
        if (layer.layerName != nullptr && std::strcmp(layer.layerName, name) == 0) return &layer;
    }
    return nullptr;
}

// What is wrong with a layer, or nothing. A size of 0 in `wanted` stands for any size from 1 to kMaxSide.
std::string check(NvDsInferLayerInfo const* layer, char const* name, NvDsInferDataType type,
    std::initializer_list<unsigned int> wanted) {
    std::string const prefix = std::string("output ") + name + " ";
    if (layer == nullptr) return prefix + "is missing";
    if (layer->buffer == nullptr) return prefix + "has no buffer on the host";
    std::int32_t const found = type_of(*layer);
    if (found != type) return prefix + "has type " + std::to_string(found) + ", not " + std::to_string(type);
    NvDsInferDims const& dims = layer->inferDims;
    bool fits = dims.numDims == wanted.size();
    std::uint64_t elements = 1;
    unsigned int axis = 0;
    for (unsigned int const size : wanted) {
        if (!fits) break;
        fits = dims.d[axis] >= 1 && dims.d[axis] <= kMaxSide && (size == 0 || dims.d[axis] == size);
        elements *= dims.d[axis++];
    }
    if (!fits || elements != dims.numElements) {
        return prefix + "has dimensions " + dims_text(dims) + ", " + std::to_string(dims.numElements) + " elements";
    }
    return "";
}

bool all_finite(float const* values, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
        if (!std::isfinite(values[i])) return false;
    }
    return true;
}

std::string check_rows(Detections const& found) {
    if (!all_finite(found.scores, found.count)) return "output scores is not finite";
    if (!all_finite(found.boxes, std::size_t{4} * found.count)) return "output boxes is not finite";
    std::size_t const pixels = std::size_t{found.mask_height} * found.mask_width;
    if (!all_finite(found.masks, pixels * found.count)) return "output masks is not finite";
    for (unsigned int i = 0; i < found.count; ++i) {
        if (found.classes[i] < 0) return "output classes holds " + std::to_string(found.classes[i]);
    }
    return "";
}

}  // namespace

std::string read_layers(std::vector<NvDsInferLayerInfo> const& layers, Detections& found) {
    auto const* const counts = find(layers, "num_detections");
    auto const* const boxes = find(layers, "boxes");
    auto const* const scores = find(layers, "scores");
    auto const* const classes = find(layers, "classes");
    auto const* const masks = find(layers, "masks");
    std::string wrong = check(counts, "num_detections", INT32, {1});
    if (wrong.empty()) wrong = check(boxes, "boxes", FLOAT, {0, 4});
    if (!wrong.empty()) return wrong;
    unsigned int const rows = boxes->inferDims.d[0];
    wrong = check(scores, "scores", FLOAT, {rows});
    if (wrong.empty()) wrong = check(classes, "classes", INT32, {rows});
    if (wrong.empty()) wrong = check(masks, "masks", FLOAT, {rows, 0, 0});
    if (!wrong.empty()) return wrong;
    int const count = *static_cast<int const*>(counts->buffer);
    if (count < 0 || static_cast<unsigned int>(count) > rows) {
        return "output num_detections is " + std::to_string(count) + ", with room for " + std::to_string(rows);
    }
    found = {static_cast<unsigned int>(count), static_cast<float const*>(boxes->buffer),
        static_cast<float const*>(scores->buffer), static_cast<int const*>(classes->buffer),
        static_cast<float const*>(masks->buffer), masks->inferDims.d[1], masks->inferDims.d[2]};
    return check_rows(found);
}
