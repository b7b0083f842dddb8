// Runs an ONNX file of yolact-deploy on a JPEG or PNG file and prints what it finds:
//     detect MODEL.onnx PICTURE [--score 0.3]
// One line per detection, best first: class index, score, box in pixels, and how much of it the mask covers.
// Exit status: 0 done, 2 the input or the machine is at fault, with one line on stderr that says what.
#include "detections.h"

#include <onnxruntime_cxx_api.h>

// Debian's header warns by itself.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wshadow"
#pragma GCC diagnostic ignored "-Wunused-function"
#define STB_IMAGE_IMPLEMENTATION
#define STBI_ONLY_JPEG
#define STBI_ONLY_PNG
#define STBI_FAILURE_USERMSG
#include <stb/stb_image.h>
#pragma GCC diagnostic pop

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace {

struct Options {
    std::string model, picture;
    float score = 0.3F;
};

Options parse(int count, char** words) {
    char const* const usage = "usage: detect MODEL.onnx PICTURE [--score 0.3]";
    Options options;
    std::vector<std::string> files;
    for (int index = 1; index < count; ++index) {
        std::string const word = words[index];
        if (word.rfind("--", 0) != 0) {
            files.push_back(word);
        } else if (word == "--score" && index + 1 < count) {
            char* end = nullptr;
            options.score = std::strtof(words[++index], &end);
            if (end == words[index] || *end != '\0' || std::isnan(options.score)) throw std::runtime_error(usage);
        } else {
            throw std::runtime_error(usage);
        }
    }
    if (files.size() != 2) throw std::runtime_error(usage);
    options.model = files[0];
    options.picture = files[1];
    return options;
}

// Knows no EXIF: a picture that a camera marks as turned is taken as it is stored.
Image read_picture(std::string const& path) {
    int width = 0, height = 0, channels = 0;
    std::unique_ptr<stbi_uc, void (*)(void*)> const rgb(
        stbi_load(path.c_str(), &width, &height, &channels, STBI_rgb), stbi_image_free);
    if (rgb == nullptr) throw std::runtime_error(path + ": " + stbi_failure_reason());
    Image image{height, width, {}};
    std::size_t const size = static_cast<std::size_t>(width) * static_cast<std::size_t>(height) * 3;
    image.bgr.assign(rgb.get(), rgb.get() + size);
    for (std::size_t pixel = 0; pixel < size; pixel += 3) std::swap(image.bgr[pixel], image.bgr[pixel + 2]);
    return image;
}

class Model {
public:
    explicit Model(std::string const& path) : session_(environment_, path.c_str(), Ort::SessionOptions{}) {
        auto const type = session_.GetInputTypeInfo(0);  // owns what the next line only looks at
        auto const shape = type.GetTensorTypeAndShapeInfo();
        if (session_.GetInputCount() != 1 || shape.GetElementType() != ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT8 ||
            shape.GetShape().size() != 4 || shape.GetShape()[0] > 1) {
            throw std::runtime_error(path + " takes no single picture: export it without --input and --batch");
        }
    }

    // boxes, scores, classes, masks and num_detections, in this order.
    std::vector<Ort::Value> run(Image& image) {
        std::array<std::int64_t, 4> const shape{1, image.height, image.width, 3};
        auto const memory = Ort::MemoryInfo::CreateCpu(OrtArenaAllocator, OrtMemTypeDefault);
        auto const input = Ort::Value::CreateTensor<std::uint8_t>(
            memory, image.bgr.data(), image.bgr.size(), shape.data(), shape.size());
        auto const name = session_.GetInputNameAllocated(0, Ort::AllocatorWithDefaultOptions());
        char const* const inputs[] = {name.get()};
        return session_.Run(Ort::RunOptions{}, inputs, &input, 1, kOutputs.data(), kOutputs.size());
    }

private:
    static constexpr std::array<char const*, 5> kOutputs{"boxes", "scores", "classes", "masks", "num_detections"};

    Ort::Env environment_{ORT_LOGGING_LEVEL_ERROR, "yolact"};
    Ort::Session session_;
};

// Exported files give these types and shapes; ONNX Runtime checked both against the file.
Detections detections_of(std::vector<Ort::Value> const& outputs) {
    Ort::Value const& masks = outputs[3];
    auto const shape = masks.GetTensorTypeAndShapeInfo();
    Detections found{};
    found.count = *outputs[4].GetTensorData<std::int32_t>();
    found.boxes = outputs[0].GetTensorData<float>();
    found.scores = outputs[1].GetTensorData<float>();
    found.classes = outputs[2].GetTensorData<std::int32_t>();
    found.mask_values = shape.GetShape()[2] * shape.GetShape()[3];
    if (shape.GetElementType() == ONNX_TENSOR_ELEMENT_DATA_TYPE_INT32) {
        found.packed_masks = reinterpret_cast<std::uint32_t const*>(masks.GetTensorData<std::int32_t>());
    } else {
        found.soft_masks = masks.GetTensorData<float>();
    }
    return found;
}

}  // namespace

int main(int count, char** words) {
    try {
        Options const options = parse(count, words);
        Image image = read_picture(options.picture);
        Model model(options.model);
        auto const outputs = model.run(image);
        print(detections_of(outputs), image, options.score);
        return 0;
    } catch (std::exception const& error) {
        std::fprintf(stderr, "error: %s\n", error.what());
        return 2;
    }
}
