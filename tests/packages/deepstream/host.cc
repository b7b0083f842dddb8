// Plays nvinfer: reads frames of layers from a file, calls the parser on each, writes what it gives to another file.
// All numbers are 32 bits in the machine's order. See parser_host.py for both forms.
#include "nvdsinfer_custom_impl.h"

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <string>

extern "C" bool NvDsInferParseYolact(std::vector<NvDsInferLayerInfo> const&, NvDsInferNetworkInfo const&,
    NvDsInferParseDetectionParams const&, std::vector<NvDsInferInstanceMaskInfo>&);

namespace {

template <typename T>
T read(std::istream& file) {
    T value{};
    file.read(reinterpret_cast<char*>(&value), sizeof value);
    if (!file) std::exit(3);
    return value;
}

template <typename T>
void write(std::ostream& file, T const& value) {
    file.write(reinterpret_cast<char const*>(&value), sizeof value);
}

struct Layer {
    std::string name;
    std::unique_ptr<char[]> bytes;  // exactly as many as were given: the sanitizer sees a read beyond them
    NvDsInferLayerInfo info{};
};

Layer read_layer(std::istream& file) {
    Layer layer;
    layer.name.resize(read<std::uint32_t>(file));
    file.read(layer.name.data(), static_cast<std::streamsize>(layer.name.size()));
    layer.info.dataType = static_cast<NvDsInferDataType>(read<std::uint32_t>(file));
    layer.info.inferDims.numDims = read<std::uint32_t>(file);
    for (unsigned int& size : layer.info.inferDims.d) size = read<std::uint32_t>(file);
    layer.info.inferDims.numElements = read<std::uint32_t>(file);
    auto const count = read<std::int32_t>(file);
    if (count >= 0) {
        layer.bytes = std::make_unique<char[]>(static_cast<std::size_t>(count));
        file.read(layer.bytes.get(), count);
    }
    return layer;
}

void run_frame(std::istream& in, std::ostream& out) {
    NvDsInferNetworkInfo network{};
    network.width = read<std::uint32_t>(in);
    network.height = read<std::uint32_t>(in);
    network.channels = 3;
    NvDsInferParseDetectionParams parameters{};
    parameters.numClassesConfigured = read<std::uint32_t>(in);
    auto const thresholds = read<std::uint32_t>(in);
    parameters.perClassPreclusterThreshold.assign(thresholds, read<float>(in));
    std::vector<Layer> layers;
    for (auto left = read<std::uint32_t>(in); left > 0; --left) layers.push_back(read_layer(in));
    std::vector<NvDsInferLayerInfo> infos;
    for (Layer& layer : layers) {
        layer.info.layerName = layer.name.empty() ? nullptr : layer.name.c_str();
        layer.info.buffer = layer.bytes.get();
        infos.push_back(layer.info);
    }
    std::vector<NvDsInferInstanceMaskInfo> objects;
    write(out, std::uint32_t{NvDsInferParseYolact(infos, network, parameters, objects)});
    write(out, static_cast<std::uint32_t>(objects.size()));
    for (NvDsInferInstanceMaskInfo const& object : objects) {
        write(out, object.classId);
        for (float const value : {object.left, object.top, object.width, object.height, object.detectionConfidence}) {
            write(out, value);
        }
        write(out, object.mask_width);
        write(out, object.mask_height);
        write(out, object.mask_size);
        out.write(reinterpret_cast<char const*>(object.mask), object.mask_size);
        delete[] object.mask;
    }
}

}  // namespace

int main(int count, char** arguments) {
    if (count != 3) return 2;
    std::ifstream in(arguments[1], std::ios::binary);
    std::ofstream out(arguments[2], std::ios::binary);
    for (auto frames = read<std::uint32_t>(in); frames > 0; --frames) run_frame(in, out);
    return out.flush() ? 0 : 4;
}
