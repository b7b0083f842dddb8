#include "plugin.h"

#include "../common/log.h"
#include "launch.h"

#include <new>

namespace yolact {
namespace {

using nvinfer1::DataType;
using nvinfer1::Dims;
using nvinfer1::PluginField;
using nvinfer1::PluginFieldType;

enum Input : int32_t { kLoc, kConf, kCoef, kPriors, kInputs };
enum Output : int32_t { kBoxes, kScores, kClasses, kCoefs, kNumDetections, kOutputs };

FastNmsSizes sizes_of(Dims const& conf, Dims const& coef) noexcept {
    return {size_of(conf, 0), size_of(conf, 1), size_of(conf, 2) - 1, size_of(coef, 2)};
}

}  // namespace

nvinfer1::PluginFieldCollection const* FastNmsPlugin::fields() noexcept {
    static PluginField const fields[kFieldCount] = {
        {"score_threshold", nullptr, PluginFieldType::kFLOAT32, 1},
        {"iou_threshold", nullptr, PluginFieldType::kFLOAT32, 1},
        {"top_k", nullptr, PluginFieldType::kINT32, 1},
        {"max_detections", nullptr, PluginFieldType::kINT32, 1},
        {"cross_class", nullptr, PluginFieldType::kINT32, 1},
        {"clip_boxes", nullptr, PluginFieldType::kINT32, 1},
        {"threshold_per_class", nullptr, PluginFieldType::kINT32, 1},
        {"candidates_per_level", nullptr, PluginFieldType::kINT32, 1},
        {"level_priors", nullptr, PluginFieldType::kINT32, kMaxLevels},
    };
    static nvinfer1::PluginFieldCollection const collection{kFieldCount, fields};
    return &collection;
}

nvinfer1::IPluginV3* FastNmsPlugin::create(Attributes const& attributes) noexcept {
    FastNmsSettings settings{};
    bool const is_read =
        attributes.has_only({"score_threshold", "iou_threshold", "top_k", "max_detections", "cross_class", "clip_boxes",
            "threshold_per_class", "candidates_per_level", "level_priors"}) &&
        attributes.read("score_threshold", &settings.score_threshold) &&
        attributes.read("iou_threshold", &settings.iou_threshold) && attributes.read("top_k", &settings.top_k) &&
        attributes.read("max_detections", &settings.max_detections) &&
        attributes.read("cross_class", &settings.cross_class) &&
        attributes.read_optional("clip_boxes", &settings.clip_boxes) &&
        attributes.read_optional("threshold_per_class", &settings.threshold_per_class) &&
        attributes.read_optional("candidates_per_level", &settings.candidates_per_level) &&
        attributes.read_list("level_priors", settings.level_priors, kMaxLevels, &settings.levels);
    if (!is_read) return nullptr;
    if (char const* problem = out_of_range(settings)) {
        log_error(kName, "the attribute %s", problem);
        return nullptr;
    }
    return new (std::nothrow) FastNmsPlugin(settings);
}

FastNmsPlugin::FastNmsPlugin(FastNmsSettings const& settings) noexcept
    : settings_(settings),
      serialized_fields_{
          {"score_threshold", &settings_.score_threshold, PluginFieldType::kFLOAT32, 1},
          {"iou_threshold", &settings_.iou_threshold, PluginFieldType::kFLOAT32, 1},
          {"top_k", &settings_.top_k, PluginFieldType::kINT32, 1},
          {"max_detections", &settings_.max_detections, PluginFieldType::kINT32, 1},
          {"cross_class", &settings_.cross_class, PluginFieldType::kINT32, 1},
          {"clip_boxes", &settings_.clip_boxes, PluginFieldType::kINT32, 1},
          {"threshold_per_class", &settings_.threshold_per_class, PluginFieldType::kINT32, 1},
          {"candidates_per_level", &settings_.candidates_per_level, PluginFieldType::kINT32, 1},
          {"level_priors", settings_.level_priors, PluginFieldType::kINT32, settings_.levels},
      },
      serialized_{settings_.levels > 0 ? kFieldCount : kFieldCount - 1, serialized_fields_} {}

nvinfer1::IPluginV3* FastNmsPlugin::clone() noexcept { return new (std::nothrow) FastNmsPlugin(settings_); }

int32_t FastNmsPlugin::count_inputs() const noexcept { return kInputs; }

int32_t FastNmsPlugin::count_outputs() const noexcept { return kOutputs; }

void FastNmsPlugin::describe_types(DataType const* inputs, DataType* outputs) const noexcept {
    outputs[kBoxes] = DataType::kFLOAT;
    outputs[kScores] = DataType::kFLOAT;
    outputs[kClasses] = DataType::kINT32;
    outputs[kCoefs] = inputs[kCoef];
    outputs[kNumDetections] = DataType::kINT32;
}

bool FastNmsPlugin::describe_shapes(nvinfer1::DimsExprs const* inputs, nvinfer1::DimsExprs* outputs,
    nvinfer1::IExprBuilder& builder) const noexcept {
    if (inputs[kConf].nbDims != 3 || inputs[kCoef].nbDims != 3) {
        log_error(kName, "conf and coef need 3 dimensions each");
        return false;
    }
    nvinfer1::IDimensionExpr const* batch = inputs[kConf].d[0];
    nvinfer1::IDimensionExpr const* rows = builder.constant(output_count(settings_));
    outputs[kBoxes] = {3, {batch, rows, builder.constant(4)}};
    outputs[kScores] = {2, {batch, rows}};
    outputs[kClasses] = {2, {batch, rows}};
    outputs[kCoefs] = {3, {batch, rows, inputs[kCoef].d[2]}};
    outputs[kNumDetections] = {1, {batch}};
    return true;
}

bool FastNmsPlugin::accepts_format(
    int32_t position, nvinfer1::DynamicPluginTensorDesc const* tensors) const noexcept {
    nvinfer1::PluginTensorDesc const& desc = tensors[position].desc;
    switch (position) {
        case kLoc: return is_linear_float_or_half(desc);
        case kConf:
        case kCoef:
        case kInputs + kCoefs: return is_linear(desc, tensors[kLoc].desc.type);
        case kPriors:  // anchors in half precision would be off by pixels
        case kInputs + kBoxes:
        case kInputs + kScores: return is_linear(desc, DataType::kFLOAT);
        case kInputs + kClasses:
        case kInputs + kNumDetections: return is_linear(desc, DataType::kINT32);
        default: return false;
    }
}

bool FastNmsPlugin::accepts_shapes(Dims const* inputs) const noexcept {
    Dims const &loc = inputs[kLoc], &conf = inputs[kConf], &coef = inputs[kCoef], &priors = inputs[kPriors];
    if (!has_rank(kName, "loc", loc, 3) || !has_rank(kName, "conf", conf, 3) || !has_rank(kName, "coef", coef, 3) ||
        !has_rank(kName, "priors", priors, 2)) {
        return false;
    }
    if (!agree(kName, "the batches of loc and conf", loc.d[0], conf.d[0]) ||
        !agree(kName, "the batches of coef and conf", coef.d[0], conf.d[0]) ||
        !agree(kName, "the priors of loc and conf", loc.d[1], conf.d[1]) ||
        !agree(kName, "the priors of coef and conf", coef.d[1], conf.d[1]) ||
        !agree(kName, "the priors of priors and conf", priors.d[0], conf.d[1]) ||
        !agree(kName, "the coordinates of loc and of a box", loc.d[2], 4) ||
        !agree(kName, "the coordinates of priors and of a box", priors.d[1], 4)) {
        return false;
    }
    FastNmsSizes const sizes = sizes_of(conf, coef);
    if (!is_in_range(kName, out_of_range(sizes))) return false;
    if (has_levels_of(settings_, sizes)) return true;
    log_error(kName, "the attribute level_priors does not add up to the %d priors", static_cast<int>(sizes.priors));
    return false;
}

size_t FastNmsPlugin::getWorkspaceSize(nvinfer1::DynamicPluginTensorDesc const* in, int32_t,
    nvinfer1::DynamicPluginTensorDesc const*, int32_t) const noexcept {
    return carve_workspace(sizes_of(in[kConf].max, in[kCoef].max), settings_, nullptr).bytes;
}

cudaError_t FastNmsPlugin::launch(nvinfer1::PluginTensorDesc const* in, nvinfer1::PluginTensorDesc const*,
    void const* const* inputs, void* const* outputs, void* workspace, cudaStream_t stream) const noexcept {
    FastNmsTensors const tensors{inputs[kLoc], inputs[kConf], inputs[kCoef],
        static_cast<float const*>(inputs[kPriors]), static_cast<float*>(outputs[kBoxes]),
        static_cast<float*>(outputs[kScores]), static_cast<int32_t*>(outputs[kClasses]), outputs[kCoefs],
        static_cast<int32_t*>(outputs[kNumDetections])};
    FastNmsSizes const sizes = sizes_of(in[kConf].dims, in[kCoef].dims);
    return launch_fast_nms(element_type(in[kLoc].type), sizes, settings_, tensors, workspace, stream);
}

}  // namespace yolact
