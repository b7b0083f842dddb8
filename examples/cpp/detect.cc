// Runs an engine of yolact-deploy on a picture and prints what it finds:
//     detect ENGINE PICTURE.ppm [--plugins LIBRARY] [--score 0.3]
// One line per detection, best first: class index, score, box in pixels, and how much of it the mask covers.
// Exit status: 0 done, 2 the input or the machine is at fault, with one line on stderr that says what.
#include "engine.h"

#include <algorithm>
#include <bitset>
#include <cmath>
#include <cstdio>
#include <cstdlib>

namespace {

constexpr float kMaskThreshold = 0.5F;

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

// Whole pixels of an edge, which an engine may have put anywhere, or nowhere.
int whole(float edge) {
    constexpr float kFar = 1e9F;
    return std::isnan(edge) ? 0 : static_cast<int>(std::clamp(edge, -kFar, kFar));
}

// A box edge pair along an axis of `size` px, as `Detections.boxes` has it: in order, inside the image, whole pixels.
std::pair<int, int> extent(float start, float end, std::int32_t size) {
    float const low = std::min(start, end) * static_cast<float>(size);
    float const high = std::max(start, end) * static_cast<float>(size);
    return {whole(std::max(low, 0.0F)), whole(std::min(high, static_cast<float>(size)))};
}

// Share of the image that a mask covers, 0..1, of either kind: float32 [1,D,Hp,Wp], soft, at prototype size; or int32
// [1,D,H,ceil(W/32)], where bit b of word w is pixel 32 w + b of its row.
double covered(Tensor const& masks, std::int32_t index, Image const& image) {
    auto const words = static_cast<std::size_t>(masks.shape.d[2] * masks.shape.d[3]);
    std::size_t const start = static_cast<std::size_t>(index) * words;
    std::size_t inside = 0;
    if (masks.type == nvinfer1::DataType::kINT32) {
        auto const* row = masks.data<std::uint32_t>() + start;
        for (std::size_t word = 0; word < words; ++word) inside += std::bitset<32>(row[word]).count();
        return static_cast<double>(inside) / (static_cast<double>(image.height) * image.width);
    }
    auto const* values = masks.data<float>() + start;
    inside = static_cast<std::size_t>(
        std::count_if(values, values + words, [](float value) { return value > kMaskThreshold; }));
    return static_cast<double>(inside) / static_cast<double>(words);
}

void print(std::map<std::string, Tensor> const& outputs, Image const& image, float least_score) {
    using nvinfer1::DataType;
    std::vector<std::int64_t> const one_row{1, kAny};  // named: GCC 14 takes a reference beside a temporary for dangling
    Tensor const& all_scores = output(outputs, "scores", DataType::kFLOAT, one_row);
    std::int64_t const most = all_scores.shape.d[1];
    auto const* scores = all_scores.data<float>();
    auto const* boxes = output(outputs, "boxes", DataType::kFLOAT, {1, most, 4}).data<float>();
    auto const* classes = output(outputs, "classes", DataType::kINT32, {1, most}).data<std::int32_t>();
    std::int32_t const count = *output(outputs, "num_detections", DataType::kINT32, {1}).data<std::int32_t>();
    auto const masks = outputs.find("masks");  // an engine may do without
    bool const has_masks = masks != outputs.end() && has_shape(masks->second, {1, most, kAny, kAny});
    int printed = 0;
    for (std::int32_t index = 0; index < std::min<std::int64_t>(count, most); ++index) {
        if (!(scores[index] >= least_score)) continue;
        float const* box = boxes + index * 4;  // x1 y1 x2 y2, relative to the image
        auto const [x1, x2] = extent(box[0], box[2], image.width);
        auto const [y1, y2] = extent(box[1], box[3], image.height);
        std::printf("class %d  score %.3f  box %d %d %d %d", classes[index], static_cast<double>(scores[index]), x1, y1,
            x2, y2);
        if (has_masks) std::printf("  mask %.2f %% of the picture", 100.0 * covered(masks->second, index, image));
        std::printf("\n");
        ++printed;
    }
    std::printf("%d detections\n", printed);
}

}  // namespace

int main(int count, char** words) {
    try {
        Options const options = parse(count, words);
        Image const image = read_ppm(options.picture);
        Engine engine(options.engine, options.plugins);
        print(engine.run(image), image, options.score);
        return 0;
    } catch (std::exception const& error) {
        std::fprintf(stderr, "error: %s\n", error.what());
        return 2;
    }
}
