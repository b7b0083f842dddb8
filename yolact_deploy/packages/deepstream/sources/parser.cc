// NvDsInferParseYolact: what nvinfer calls for every frame. nvinfer frees each mask with delete[].
#include "layers.h"
#include "mask.h"
#include "nvdsinfer_custom_impl.h"

#include <algorithm>
#include <cstdio>
#include <exception>
#include <memory>

namespace {

struct Object {
    NvDsInferInstanceMaskInfo info;
    std::unique_ptr<float[]> mask;
};

// Both ends in order and inside the frame.
Box clipped(float const* box) {
    auto const inside = [](float value) { return std::clamp(value, 0.0F, 1.0F); };
    return {inside(std::min(box[0], box[2])), inside(std::min(box[1], box[3])), inside(std::max(box[0], box[2])),
        inside(std::max(box[1], box[3]))};
}

Object make_object(Detections const& found, unsigned int row, Box const& box, NvDsInferNetworkInfo const& network) {
    Object object{};
    NvDsInferInstanceMaskInfo& info = object.info;
    auto const width = static_cast<float>(network.width);
    auto const height = static_cast<float>(network.height);
    info.classId = static_cast<unsigned int>(found.classes[row]);
    info.detectionConfidence = std::clamp(found.scores[row], 0.0F, 1.0F);
    info.left = box.x1 * width;
    info.top = box.y1 * height;
    info.width = (box.x2 - box.x1) * width;
    info.height = (box.y2 - box.y1) * height;
    info.mask_width = mask_side(info.width);
    info.mask_height = mask_side(info.height);
    info.mask_size = static_cast<unsigned int>(sizeof(float)) * info.mask_width * info.mask_height;
    object.mask = std::make_unique<float[]>(std::size_t{info.mask_width} * info.mask_height);
    Axis const rows = make_axis(box.y1, box.y2, info.mask_height, found.mask_height);
    Axis const columns = make_axis(box.x1, box.x2, info.mask_width, found.mask_width);
    float const* const mask = found.masks + std::size_t{row} * found.mask_height * found.mask_width;
    resample(mask, found.mask_height, found.mask_width, rows, columns, object.mask.get());
    return object;
}

// Objects of the classes and with the scores that the configuration asks for, and with an area inside the frame.
std::vector<Object> make_objects(Detections const& found, NvDsInferNetworkInfo const& network,
    NvDsInferParseDetectionParams const& parameters) {
    std::vector<Object> objects;
    objects.reserve(found.count);
    for (unsigned int row = 0; row < found.count; ++row) {
        auto const number = static_cast<unsigned int>(found.classes[row]);
        if (number >= parameters.numClassesConfigured) continue;
        if (found.scores[row] < parameters.perClassPreclusterThreshold[number]) continue;
        Box const box = clipped(found.boxes + std::size_t{4} * row);
        if (box.x1 < box.x2 && box.y1 < box.y2) objects.push_back(make_object(found, row, box, network));
    }
    return objects;
}

std::string parse(std::vector<NvDsInferLayerInfo> const& layers, NvDsInferNetworkInfo const& network,
    NvDsInferParseDetectionParams const& parameters, std::vector<NvDsInferInstanceMaskInfo>& list) {
    if (network.width == 0 || network.height == 0) return "the network's input has no size";
    if (parameters.perClassPreclusterThreshold.size() < parameters.numClassesConfigured) {
        return "fewer thresholds than classes are configured";
    }
    Detections found;
    std::string wrong = read_layers(layers, found);
    if (!wrong.empty()) return wrong + ": is this a model from yolact-deploy export --input planar?";
    std::vector<Object> objects = make_objects(found, network, parameters);
    list.reserve(list.size() + objects.size());  // from here on nothing fails, so no mask is lost
    for (Object& object : objects) {
        object.info.mask = object.mask.release();
        list.push_back(object.info);
    }
    return "";
}

}  // namespace

extern "C" __attribute__((visibility("default"))) bool NvDsInferParseYolact(
    std::vector<NvDsInferLayerInfo> const& outputLayersInfo, NvDsInferNetworkInfo const& networkInfo,
    NvDsInferParseDetectionParams const& detectionParams, std::vector<NvDsInferInstanceMaskInfo>& objectList);

extern "C" bool NvDsInferParseYolact(std::vector<NvDsInferLayerInfo> const& outputLayersInfo,
    NvDsInferNetworkInfo const& networkInfo, NvDsInferParseDetectionParams const& detectionParams,
    std::vector<NvDsInferInstanceMaskInfo>& objectList) {
    try {
        std::string const wrong = parse(outputLayersInfo, networkInfo, detectionParams, objectList);
        if (wrong.empty()) return true;
        std::fprintf(stderr, "NvDsInferParseYolact: %s\n", wrong.c_str());
    } catch (std::exception const& error) {
        std::fprintf(stderr, "NvDsInferParseYolact: %s\n", error.what());
    }
    return false;
}
