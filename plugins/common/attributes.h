// Reading the attributes of a node, each with a message when it is missing, of another type or unknown.
#pragma once

#include <NvInferRuntime.h>

#include <cstdint>
#include <initializer_list>

namespace yolact {

class Attributes {
public:
    Attributes(char const* op, nvinfer1::PluginFieldCollection const* fields) noexcept : op_(op), fields_(fields) {}

    // False, after a message, when there is no such attribute of that type.
    bool read(char const* name, float* value) const noexcept;
    bool read(char const* name, int32_t* value) const noexcept;

    // The same of an attribute that may be left out: `value` then stays as it is.
    bool read_optional(char const* name, int32_t* value) const noexcept;

    // Up to `most` integers and how many; none when there is no such attribute. False, after a message, for others.
    bool read_list(char const* name, int32_t* values, int32_t most, int32_t* count) const noexcept;

    // Which of the texts an attribute holds, the first one when there is no such attribute; false, after a message, for
    // any other text or type.
    bool read_choice(char const* name, std::initializer_list<char const*> texts, int32_t* index) const noexcept;

    // False, after a message, when there is any other attribute than these and those of the ONNX parser.
    bool has_only(std::initializer_list<char const*> names) const noexcept;

private:
    nvinfer1::PluginField const* find(char const* name) const noexcept;
    bool read(char const* name, nvinfer1::PluginFieldType type, char const* type_name, void* value) const noexcept;

    char const* op_;
    nvinfer1::PluginFieldCollection const* fields_;
};

}  // namespace yolact
