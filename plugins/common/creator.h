// One creator for both plugins: `Operator` knows its name, its attributes and how to make a plugin of them.
#pragma once

#include "attributes.h"
#include "plugin.h"

namespace yolact {

// Operator::kName; Operator::fields(): the attributes' names and types; Operator::create(attributes): a plugin, or null
// after a message.
template <class Operator>
class Creator final : public nvinfer1::IPluginCreatorV3One {
public:
    nvinfer1::IPluginV3* createPlugin(char const*, nvinfer1::PluginFieldCollection const* fields,
        nvinfer1::TensorRTPhase) noexcept override {
        return Operator::create(Attributes(Operator::kName, fields));  // building and running need the same
    }
    nvinfer1::PluginFieldCollection const* getFieldNames() noexcept override { return Operator::fields(); }
    char const* getPluginName() const noexcept override { return Operator::kName; }
    char const* getPluginVersion() const noexcept override { return kPluginVersion; }
    char const* getPluginNamespace() const noexcept override { return kPluginNamespace; }
};

}  // namespace yolact
