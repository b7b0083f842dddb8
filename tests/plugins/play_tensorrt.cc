// Plays TensorRT's part with a plugin library, through the interfaces that TensorRT uses and in its order: find the
// creator, create, output types and shapes, formats, configure, workspace, serialise, create again, clone, attach,
// onShapeChange, enqueue. Works with the CUDA build (compiled with -DWITH_CUDA) and with the host build.
//
//     play_tensorrt LIBRARY OPERATOR FOLDER [NAME=f:VALUE | NAME=i:VALUE | NAME=s:TEXT]...
//
// FOLDER/inputs.txt has a line an input: its type (f4, f2 or i4), rank and sizes; FOLDER/input0.bin and so on are the
// values. Writes FOLDER/output0.bin and so on, and says their types and shapes. Exit status: 0 done, 1 refused by the
// plugin, 3 the plugin broke a rule of the interface.
#include "play_graph.h"
#include "play_memory.h"
#include "play_tensorrt.h"

#include <dlfcn.h>

#include <cstring>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

using namespace nvinfer1;

namespace {

[[noreturn]] void refused(char const* step) {
    std::printf("refused: %s\n", step);
    std::fflush(stdout);
    std::exit(1);
}

DynamicPluginTensorDesc fixed(PluginTensorDesc const& desc) { return {desc, desc.dims, desc.dims, desc.dims}; }

std::vector<PluginTensorDesc> read_inputs(std::string const& folder) {
    std::vector<PluginTensorDesc> inputs;
    std::ifstream file(folder + "/inputs.txt");
    std::string name;
    PluginTensorDesc desc{};
    desc.format = TensorFormat::kLINEAR;
    desc.scale = 1.0F;
    while (file >> name >> desc.dims.nbDims) {
        for (int32_t i = 0; i < desc.dims.nbDims; ++i) file >> desc.dims.d[i];
        desc.type = find_type([&](TypeName const& type) { return name == type.name; }).type;
        inputs.push_back(desc);
    }
    return inputs;
}

std::vector<char> read_file(std::string const& path) {
    std::ifstream file(path, std::ios::binary);
    REQUIRE(file.good());
    return {std::istreambuf_iterator<char>(file), {}};
}

struct Attribute {
    std::string name;
    PluginFieldType type;
    float real;
    std::vector<int32_t> integers;
    std::string text;

    PluginField field() const {
        if (type == PluginFieldType::kCHAR) return {name.c_str(), text.data(), type, static_cast<int32_t>(text.size())};
        if (type == PluginFieldType::kFLOAT32) return {name.c_str(), &real, type, 1};
        return {name.c_str(), integers.data(), type, static_cast<int32_t>(integers.size())};
    }
};

std::vector<Attribute> read_attributes(char** begin, char** end) {
    std::vector<Attribute> attributes;
    for (char** argument = begin; argument != end; ++argument) {
        std::string const text = *argument;
        size_t const equals = text.find('=');
        REQUIRE(equals != std::string::npos && text.size() > equals + 3);
        std::string const value = text.substr(equals + 3);
        Attribute attribute{text.substr(0, equals), PluginFieldType::kCHAR, 0.0F, {}, value};
        if (text[equals + 1] == 'f') {
            attribute.type = PluginFieldType::kFLOAT32;
            attribute.real = std::stof(value);
        } else if (text[equals + 1] == 'i') {  // one, or several with commas
            attribute.type = PluginFieldType::kINT32;
            std::istringstream numbers(value);
            for (std::string number; std::getline(numbers, number, ',');) {
                attribute.integers.push_back(std::stoi(number));
            }
        }
        attributes.push_back(attribute);
    }
    return attributes;
}

IPluginCreatorV3One* find_creator(void* library, std::string const& name) {
    using GetCreators = IPluginCreatorInterface* const* (*)(int32_t&);
    auto const get_creators = reinterpret_cast<GetCreators>(dlsym(library, "getCreators"));
    REQUIRE(get_creators != nullptr);
    int32_t count = 0;
    IPluginCreatorInterface* const* creators = get_creators(count);
    for (int32_t i = 0; i < count; ++i) {
        REQUIRE(std::strcmp(creators[i]->getInterfaceInfo().kind, "PLUGIN CREATOR_V3ONE") == 0);
        auto* creator = static_cast<IPluginCreatorV3One*>(creators[i]);
        if (creator->getPluginName() == name) return creator;
    }
    REQUIRE(!"a known operator");
    return nullptr;
}

template <class Capability>
Capability* capability(IPluginV3* plugin, PluginCapabilityType type) {
    IPluginCapability* found = plugin->getCapabilityInterface(type);
    REQUIRE(found != nullptr);
    return static_cast<Capability*>(found);
}

// The outputs as the plugin describes them.
std::vector<PluginTensorDesc> describe_outputs(IPluginV3OneBuild* build, std::vector<PluginTensorDesc> const& inputs) {
    auto const input_count = static_cast<int32_t>(inputs.size());
    int32_t const count = build->getNbOutputs();
    std::vector<DataType> input_types;
    std::vector<DimsExprs> input_shapes;
    std::deque<Size> sizes;
    for (PluginTensorDesc const& input : inputs) {
        input_types.push_back(input.type);
        DimsExprs shape{};
        shape.nbDims = input.dims.nbDims;
        for (int32_t i = 0; i < shape.nbDims; ++i) shape.d[i] = &sizes.emplace_back(input.dims.d[i]);
        input_shapes.push_back(shape);
    }
    std::vector<DataType> types(static_cast<size_t>(count));
    std::vector<DimsExprs> shapes(static_cast<size_t>(count));
    SizeBuilder builder;
    if (build->getOutputDataTypes(types.data(), count, input_types.data(), input_count) != 0) refused("types");
    if (build->getOutputShapes(input_shapes.data(), input_count, nullptr, 0, shapes.data(), count, builder) != 0) {
        refused("shapes");
    }
    std::vector<PluginTensorDesc> outputs;
    for (size_t output = 0; output < types.size(); ++output) {
        PluginTensorDesc desc{};
        desc.type = types[output];
        desc.format = TensorFormat::kLINEAR;
        desc.dims.nbDims = shapes[output].nbDims;
        for (int32_t i = 0; i < desc.dims.nbDims; ++i) desc.dims.d[i] = shapes[output].d[i]->getConstantValue();
        outputs.push_back(desc);
    }
    return outputs;
}

// Every position takes what the node has, and neither another layout nor int8; the first one alone decides between
// float and half.
void check_formats(IPluginV3OneBuild* build, std::vector<DynamicPluginTensorDesc> tensors, int32_t inputs) {
    auto const all = static_cast<int32_t>(tensors.size());
    for (int32_t position = 0; position < all; ++position) {
        PluginTensorDesc& desc = tensors[static_cast<size_t>(position)].desc;
        PluginTensorDesc const good = desc;
        if (!build->supportsFormatCombination(position, tensors.data(), inputs, all - inputs)) refused("formats");
        desc.format = TensorFormat::kCHW32;
        REQUIRE(!build->supportsFormatCombination(position, tensors.data(), inputs, all - inputs));
        desc = good;
        desc.type = good.type == DataType::kFLOAT ? DataType::kHALF : DataType::kFLOAT;
        REQUIRE(build->supportsFormatCombination(position, tensors.data(), inputs, all - inputs) == (position == 0));
        desc.type = DataType::kINT8;
        REQUIRE(!build->supportsFormatCombination(position, tensors.data(), inputs, all - inputs));
        desc = good;
    }
    REQUIRE(!build->supportsFormatCombination(0, tensors.data(), inputs + 1, all - inputs - 1));
}

std::unique_ptr<IPluginV3> create(IPluginCreatorV3One* creator, std::vector<Attribute> const& attributes) {
    std::vector<PluginField> fields;
    for (Attribute const& attribute : attributes) {
        fields.push_back(attribute.field());
    }
    PluginFieldCollection const collection{static_cast<int32_t>(fields.size()), fields.data()};
    std::unique_ptr<IPluginV3> plugin(creator->createPlugin("node", &collection, TensorRTPhase::kBUILD));
    if (!plugin) refused("attributes");
    return plugin;
}

struct Node {
    std::vector<PluginTensorDesc> inputs, outputs;
    size_t workspace_bytes;

    int32_t input_count() const { return static_cast<int32_t>(inputs.size()); }
    int32_t output_count() const { return static_cast<int32_t>(outputs.size()); }
};

// What the builder asks of a plugin.
Node configure(IPluginV3* plugin, std::string const& name, std::vector<PluginTensorDesc> const& inputs) {
    auto* core = capability<IPluginV3OneCore>(plugin, PluginCapabilityType::kCORE);
    REQUIRE(core->getPluginName() == name);
    REQUIRE(std::strcmp(core->getPluginNamespace(), "yolact") == 0 && std::strcmp(core->getPluginVersion(), "1") == 0);
    auto* build = capability<IPluginV3OneBuild>(plugin, PluginCapabilityType::kBUILD);
    Node node{inputs, describe_outputs(build, inputs), 0};
    std::vector<DynamicPluginTensorDesc> tensors;
    for (PluginTensorDesc const& desc : node.inputs) tensors.push_back(fixed(desc));
    for (PluginTensorDesc const& desc : node.outputs) tensors.push_back(fixed(desc));
    check_formats(build, tensors, node.input_count());
    DynamicPluginTensorDesc const* outputs = tensors.data() + node.input_count();
    if (build->configurePlugin(tensors.data(), node.input_count(), outputs, node.output_count()) != 0) {
        refused("configure");
    }
    node.workspace_bytes = build->getWorkspaceSize(tensors.data(), node.input_count(), outputs, node.output_count());
    return node;
}

// As an engine does: the building plugin's fields make the running one, which each context gets a copy of.
std::unique_ptr<IPluginV3> load(IPluginCreatorV3One* creator, IPluginV3* built) {
    auto* serialising = capability<IPluginV3OneRuntime>(built, PluginCapabilityType::kRUNTIME);
    std::unique_ptr<IPluginV3> const loaded(
        creator->createPlugin("node", serialising->getFieldsToSerialize(), TensorRTPhase::kRUNTIME));
    REQUIRE(loaded != nullptr);
    std::unique_ptr<IPluginV3> const cloned(loaded->clone());
    REQUIRE(cloned != nullptr);
    auto* runtime = capability<IPluginV3OneRuntime>(cloned.get(), PluginCapabilityType::kRUNTIME);
    std::unique_ptr<IPluginV3> attached(runtime->attachToContext(nullptr));
    REQUIRE(attached != nullptr);
    return attached;  // the others may go before it
}

std::vector<std::unique_ptr<Memory>> allocate(std::vector<PluginTensorDesc> const& tensors) {
    std::vector<std::unique_ptr<Memory>> memory;
    for (PluginTensorDesc const& desc : tensors) memory.push_back(std::make_unique<Memory>(bytes_of(desc)));
    return memory;
}

void write_output(std::string const& folder, size_t index, PluginTensorDesc const& desc, Memory const& memory) {
    std::vector<char> const values = memory.read();
    std::ofstream(folder + "/output" + std::to_string(index) + ".bin", std::ios::binary)
        .write(values.data(), static_cast<std::streamsize>(values.size()));
    std::printf("output %s", find_type([&](TypeName const& type) { return type.type == desc.type; }).name);
    for (int32_t axis = 0; axis < desc.dims.nbDims; ++axis) {
        std::printf(" %lld", static_cast<long long>(desc.dims.d[axis]));
    }
    std::printf("\n");
}

void run(IPluginV3* plugin, Node const& node, std::string const& folder) {
    auto* runtime = capability<IPluginV3OneRuntime>(plugin, PluginCapabilityType::kRUNTIME);
    Memory const workspace(node.workspace_bytes);
    auto const inputs = allocate(node.inputs);
    auto const outputs = allocate(node.outputs);
    std::vector<void const*> input_data;
    std::vector<void*> output_data;
    for (size_t i = 0; i < inputs.size(); ++i) {
        std::vector<char> const values = read_file(folder + "/input" + std::to_string(i) + ".bin");
        REQUIRE(values.size() == bytes_of(node.inputs[i]));
        inputs[i]->write(values);
        input_data.push_back(inputs[i]->data());
    }
    for (auto const& output : outputs) output_data.push_back(output->data());
    if (runtime->onShapeChange(node.inputs.data(), node.input_count(), node.outputs.data(), node.output_count()) != 0) {
        refused("onShapeChange");
    }
    auto const enqueue = [&](cudaStream_t stream) {
        return runtime->enqueue(node.inputs.data(), node.outputs.data(), input_data.data(), output_data.data(),
                   workspace.data(), stream) == 0;
    };
    for (int call = 0; call < 2; ++call) {  // the second one finds what the first one left in the workspace
        if (!enqueue(nullptr)) refused("enqueue");
    }
#ifdef WITH_CUDA
    cudaError_t const error = cudaDeviceSynchronize();
    if (error != cudaSuccess) refused(cudaGetErrorString(error));
    for (auto const& output : outputs) output->spoil();
    run_captured(enqueue);
#endif
    workspace.check_guard();
    for (size_t i = 0; i < outputs.size(); ++i) write_output(folder, i, node.outputs[i], *outputs[i]);
}

}  // namespace

int main(int argc, char** argv) {
    if (argc < 4) return 2;
    void* library = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr) refused(dlerror());
    static StdoutLogger logger;
    auto const set_logger_finder = reinterpret_cast<void (*)(ILoggerFinder*)>(dlsym(library, "setLoggerFinder"));
    REQUIRE(set_logger_finder != nullptr);
    set_logger_finder(&logger);

    IPluginCreatorV3One* creator = find_creator(library, argv[2]);
    std::unique_ptr<IPluginV3> const built = create(creator, read_attributes(argv + 4, argv + argc));
    Node const node = configure(built.get(), argv[2], read_inputs(argv[3]));
    std::unique_ptr<IPluginV3> const loaded = load(creator, built.get());
    run(loaded.get(), node, argv[3]);
    return 0;
}
