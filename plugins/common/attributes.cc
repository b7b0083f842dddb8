#include "attributes.h"

#include "log.h"

#include <cstdio>
#include <cstring>

namespace yolact {
namespace {

constexpr int kListBytes = 128;  // of the values that an attribute may have

// Read by the parser itself, to find the plugin.
constexpr std::initializer_list<char const*> kParserAttributes = {"plugin_version", "plugin_namespace"};

bool is_one_of(char const* name, std::initializer_list<char const*> names) noexcept {
    for (char const* known : names) {
        if (std::strcmp(name, known) == 0) return true;
    }
    return false;
}

}  // namespace

nvinfer1::PluginField const* Attributes::find(char const* name) const noexcept {
    for (int32_t i = 0; fields_ != nullptr && i < fields_->nbFields; ++i) {
        nvinfer1::PluginField const& field = fields_->fields[i];
        if (field.name != nullptr && std::strcmp(field.name, name) == 0) return &field;
    }
    return nullptr;
}

bool Attributes::read(
    char const* name, nvinfer1::PluginFieldType type, char const* type_name, void* value) const noexcept {
    nvinfer1::PluginField const* field = find(name);
    if (field == nullptr || field->data == nullptr) {
        log_error(op_, "the attribute %s is missing", name);
        return false;
    }
    if (field->type != type || field->length != 1) {
        log_error(op_, "the attribute %s has to be one %s", name, type_name);
        return false;
    }
    std::memcpy(value, field->data, 4);  // both types have 4 bytes
    return true;
}

bool Attributes::read(char const* name, float* value) const noexcept {
    return read(name, nvinfer1::PluginFieldType::kFLOAT32, "float", value);
}

bool Attributes::read(char const* name, int32_t* value) const noexcept {
    return read(name, nvinfer1::PluginFieldType::kINT32, "integer", value);
}

bool Attributes::read_optional(char const* name, int32_t* value) const noexcept {
    return find(name) == nullptr || read(name, value);
}

bool Attributes::read_list(char const* name, int32_t* values, int32_t most, int32_t* count) const noexcept {
    nvinfer1::PluginField const* field = find(name);
    *count = 0;
    if (field == nullptr) return true;
    bool const fits = field->type == nvinfer1::PluginFieldType::kINT32 && field->data != nullptr &&
        field->length >= 1 && field->length <= most;
    if (!fits) {
        log_error(op_, "the attribute %s has to be 1 to %d integers", name, static_cast<int>(most));
        return false;
    }
    *count = field->length;
    std::memcpy(values, field->data, static_cast<size_t>(field->length) * sizeof(int32_t));
    return true;
}

bool Attributes::read_choice(
    char const* name, std::initializer_list<char const*> texts, int32_t* index) const noexcept {
    *index = 0;
    nvinfer1::PluginField const* field = find(name);
    if (field == nullptr) return true;
    if (field->type == nvinfer1::PluginFieldType::kCHAR && field->data != nullptr && field->length > 0) {
        auto const* data = static_cast<char const*>(field->data);
        auto length = static_cast<size_t>(field->length);
        if (data[length - 1] == '\0') --length;  // some callers count the end of the text
        for (char const* text : texts) {
            if (std::strlen(text) == length && std::memcmp(text, data, length) == 0) return true;
            ++*index;
        }
    }
    char known[kListBytes] = "";
    int used = 0;
    for (char const* text : texts) {
        if (used >= kListBytes) break;
        auto const left = static_cast<size_t>(kListBytes - used);
        used += std::snprintf(known + used, left, "%s%s", used > 0 ? ", " : "", text);
    }
    log_error(op_, "the attribute %s has to be one of %s", name, known);
    return false;
}

bool Attributes::has_only(std::initializer_list<char const*> names) const noexcept {
    for (int32_t i = 0; fields_ != nullptr && i < fields_->nbFields; ++i) {
        char const* name = fields_->fields[i].name;
        if (name != nullptr && !is_one_of(name, names) && !is_one_of(name, kParserAttributes)) {
            log_error(op_, "the attribute %s is unknown", name);
            return false;
        }
    }
    return true;
}

}  // namespace yolact
