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

// Whether the inputs fit together and are within what the kernels take.
bool are_shapes_valid(Dims const& loc, Dims const& conf, Dims const& coef, Dims const& priors) noexcept {
    char const* op = FastNmsPlugin::kName;
    if (!has_rank(op, "loc", loc, 3) || !has_rank(op, "conf", conf, 3) || !has_rank(op, "coef", coef, 3) ||
        !has_rank(op, "priors", priors, 2)) {
        return false;
    }
    if (!agree(op, "the batches of loc and conf", loc.d[0], conf.d[0]) ||
        !agree(op, "the batches of coef and conf", coef.d[0], conf.d[0]) ||
        !agree(op, "the priors of loc and conf", loc.d[1], conf.d[1]) ||
        !agree(op, "the priors of coef and conf", coef.d[1], conf.d[1]) ||
        !agree(op, "the priors of priors and conf", priors.d[0], conf.d[1]) ||
        !agree(op, "the coordinates of loc and of a box", loc.d[2], 4) ||
        !agree(op, "the coordinates of priors and of a box", priors.d[1], 4)) {
        return false;
    }
    char const* problem = out_of_range(sizes_of(conf, coef));
    if (problem != nullptr) log_error(op, "%s", problem);
    return problem == nullptr;
}

}  // namespace

nvinfer1::PluginFieldCollection const* FastNmsPlugin::fields() noexcept {
    static PluginField const fields[kFieldCount] = {
        {"score_threshold", nullptr, PluginFieldType::kFLOAT32, 1},
        {"iou_threshold", nullptr, PluginFieldType::kFLOAT32, 1},
        {"top_k", nullptr, PluginFieldType::kINT32, 1},
        {"max_detections", nullptr, PluginFieldType::kINT32, 1},
        {"cross_class", nullptr, PluginFieldType::kINT32, 1},
    };
    static nvinfer1::PluginFieldCollection const collection{kFieldCount, fields};
    return &collection;
}

nvinfer1::IPluginV3* FastNmsPlugin::create(Attributes const& attributes) noexcept {
    FastNmsSettings settings{};
    bool const is_read = attributes.has_only(
                             {"score_threshold", "iou_threshold", "top_k", "max_detections", "cross_class"}) &&
        attributes.read("score_threshold", &settings.score_threshold) &&
        attributes.read("iou_threshold", &settings.iou_threshold) && attributes.read("top_k", &settings.top_k) &&
        attributes.read("max_detections", &settings.max_detections) &&
        attributes.read("cross_class", &settings.cross_class);
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
      },
      serialized_{kFieldCount, serialized_fields_} {}

nvinfer1::IPluginV3* FastNmsPlugin::clone() noexcept { return new (std::nothrow) FastNmsPlugin(settings_); }

int32_t FastNmsPlugin::getNbOutputs() const noexcept { return kOutputs; }

int32_t FastNmsPlugin::getOutputDataTypes(
    DataType* outputs, int32_t output_count, DataType const* inputs, int32_t input_count) const noexcept {
    if (!has_counts(kName, input_count, output_count, kInputs, kOutputs)) return kFailed;
    outputs[kBoxes] = DataType::kFLOAT;
    outputs[kScores] = DataType::kFLOAT;
    outputs[kClasses] = DataType::kINT32;
    outputs[kCoefs] = inputs[kCoef];
    outputs[kNumDetections] = DataType::kINT32;
    return kDone;
}

int32_t FastNmsPlugin::getOutputShapes(nvinfer1::DimsExprs const* inputs, int32_t input_count,
    nvinfer1::DimsExprs const*, int32_t, nvinfer1::DimsExprs* outputs, int32_t output_count,
    nvinfer1::IExprBuilder& builder) noexcept {
    if (!has_counts(kName, input_count, output_count, kInputs, kOutputs)) return kFailed;
    if (inputs[kConf].nbDims != 3 || inputs[kCoef].nbDims != 3) {
        log_error(kName, "conf and coef need 3 dimensions each");
        return kFailed;
    }
    nvinfer1::IDimensionExpr const* batch = inputs[kConf].d[0];
    nvinfer1::IDimensionExpr const* rows = builder.constant(yolact::output_count(settings_));
    outputs[kBoxes] = {3, {batch, rows, builder.constant(4)}};
    outputs[kScores] = {2, {batch, rows}};
    outputs[kClasses] = {2, {batch, rows}};
    outputs[kCoefs] = {3, {batch, rows, inputs[kCoef].d[2]}};
    outputs[kNumDetections] = {1, {batch}};
    return kDone;
}

bool FastNmsPlugin::supportsFormatCombination(int32_t position, nvinfer1::DynamicPluginTensorDesc const* tensors,
    int32_t input_count, int32_t output_count) noexcept {
    if (!has_counts(kName, input_count, output_count, kInputs, kOutputs)) return false;
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

int32_t FastNmsPlugin::configurePlugin(nvinfer1::DynamicPluginTensorDesc const* in, int32_t input_count,
    nvinfer1::DynamicPluginTensorDesc const*, int32_t output_count) noexcept {
    if (!has_counts(kName, input_count, output_count, kInputs, kOutputs)) return kFailed;
    return are_shapes_valid(in[kLoc].max, in[kConf].max, in[kCoef].max, in[kPriors].max) ? kDone : kFailed;
}

size_t FastNmsPlugin::getWorkspaceSize(nvinfer1::DynamicPluginTensorDesc const* in, int32_t,
    nvinfer1::DynamicPluginTensorDesc const*, int32_t) const noexcept {
    return carve_workspace(sizes_of(in[kConf].max, in[kCoef].max), settings_, nullptr).bytes;
}

int32_t FastNmsPlugin::onShapeChange(nvinfer1::PluginTensorDesc const* in, int32_t input_count,
    nvinfer1::PluginTensorDesc const*, int32_t output_count) noexcept {
    if (!has_counts(kName, input_count, output_count, kInputs, kOutputs)) return kFailed;
    return are_shapes_valid(in[kLoc].dims, in[kConf].dims, in[kCoef].dims, in[kPriors].dims) ? kDone : kFailed;
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
