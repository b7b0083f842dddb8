// Runs an engine of yolact-deploy on a picture and prints what it finds:
//     detect ENGINE PICTURE.ppm [--plugins LIBRARY] [--score 0.3]
// One line per detection, best first: class index, score, box in pixels, and how much of it the mask covers.
// Exit status: 0 done, 2 the input or the machine is at fault, with one line on stderr that says what.
#include "detections.h"
#include "engine.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>

namespace {

struct Options {
    std::string engine, picture, plugins;
    float score = 0.3F;
};

Options parse(int count, char** words) {
    char const* const usage = "usage: detect ENGINE PICTURE.ppm [--plugins LIBRARY] [--score 0.3]";
    Options options;
    std::vector<std::string> files;
    for (int index = 1; index < count; ++index) {
        std::string const word = words[index];
        if (word.rfind("--", 0) != 0) {
            files.push_back(word);
        } else if (word == "--plugins" && index + 1 < count) {
            options.plugins = words[++index];
        } else if (word == "--score" && index + 1 < count) {
            char* end = nullptr;
            options.score = std::strtof(words[++index], &end);
            if (end == words[index] || *end != '\0' || std::isnan(options.score)) throw std::runtime_error(usage);
        } else {
            throw std::runtime_error(usage);
        }
    }
    if (files.size() != 2) throw std::runtime_error(usage);
    options.engine = files[0];
    options.picture = files[1];
    return options;
}

constexpr std::int64_t kAny = -1;

bool has_shape(Tensor const& tensor, std::vector<std::int64_t> const& shape) {
    if (tensor.shape.nbDims != static_cast<std::int32_t>(shape.size())) return false;
    return std::equal(shape.begin(), shape.end(), tensor.shape.d,
        [](std::int64_t wanted, std::int64_t found) { return wanted == kAny || wanted == found; });
}

// The output of that name, type and shape. Throws when there is none.
Tensor const& output(std::map<std::string, Tensor> const& outputs, char const* name, nvinfer1::DataType type,
    std::vector<std::int64_t> const& shape) {
    auto const found = outputs.find(name);
    if (found == outputs.end() || found->second.type != type || !has_shape(found->second, shape)) {
        throw std::runtime_error(std::string("the engine has no output ") + name + " as engines of yolact-deploy have");
    }
    return found->second;
}

// The outputs of an engine, checked. Throws when one is not as engines of yolact-deploy have it.
Detections checked(std::map<std::string, Tensor> const& outputs) {
    using nvinfer1::DataType;
    std::vector<std::int64_t> const one_row{1, kAny};  // named: GCC 14 takes a reference beside a temporary for dangling
    Tensor const& scores = output(outputs, "scores", DataType::kFLOAT, one_row);
    std::int64_t const rows = scores.shape.d[1];
    Detections found{};
    found.scores = scores.data<float>();
    found.boxes = output(outputs, "boxes", DataType::kFLOAT, {1, rows, 4}).data<float>();
    found.classes = output(outputs, "classes", DataType::kINT32, {1, rows}).data<std::int32_t>();
    found.count = std::min<std::int64_t>(*output(outputs, "num_detections", DataType::kINT32, {1}).data<std::int32_t>(), rows);
    auto const masks = outputs.find("masks");  // an engine may do without
    if (masks == outputs.end() || !has_shape(masks->second, {1, rows, kAny, kAny})) return found;
    found.mask_values = masks->second.shape.d[2] * masks->second.shape.d[3];
    if (masks->second.type == DataType::kINT32) {
        found.packed_masks = masks->second.data<std::uint32_t>();
    } else {
        found.soft_masks = masks->second.data<float>();
    }
    return found;
}

}  // namespace

int main(int count, char** words) {
    try {
        Options const options = parse(count, words);
        Image const image = read_ppm(options.picture);
        Engine engine(options.engine, options.plugins);
        auto const outputs = engine.run(image);
        print(checked(outputs), image, options.score);
        return 0;
    } catch (std::exception const& error) {
        std::fprintf(stderr, "error: %s\n", error.what());
        return 2;
    }
}
