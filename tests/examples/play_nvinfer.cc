// Plays libnvinfer for the C++ example, through TensorRT's real headers. An "engine" is a text file:
//     FAKE MIN_HEIGHT MIN_WIDTH MAX_HEIGHT MAX_WIDTH    what `image` may be
//     needs SYMBOL                                      a plugin library that exports it must be loaded
//     fails                                             its execution fails
//     input TYPE                                        of `image`, 5 (uint8) if not said
//     output NAME TYPE RANK SIZES... FILE               FILE has the values
//     saves FILE                                        where the input's values go
// unused.h, made from the headers, has a class for each interface whose functions end the program: what the example
// calls beyond the functions below is found out.
#include "unused.h"

#include <cstdio>
#include <cstring>
#include <dlfcn.h>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

using namespace nvinfer1;

namespace {

struct Output {
    DataType type;
    Dims shape;
    std::string file;
};

struct Plan {
    Dims4 low, high;
    DataType input = DataType::kUINT8;
    std::vector<std::string> names{"image"};
    std::map<std::string, Output> outputs;
    std::string needs, saves;
    bool fails = false;
};

struct Registry final : UnusedPluginRegistry {
    std::vector<void*> libraries;

    PluginLibraryHandle loadLibrary(AsciiChar const* path) noexcept override {
        void* const library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
        if (library == nullptr || dlsym(library, "getCreators") == nullptr) return nullptr;
        libraries.push_back(library);
        return library;
    }
    bool has(std::string const& symbol) const {
        for (void* library : libraries) {
            if (dlsym(library, symbol.c_str()) != nullptr) return true;
        }
        return false;
    }
    ~Registry() noexcept override {
        for (void* library : libraries) dlclose(library);
    }
};

class Context final : public IExecutionContext {
public:
    Context(Plan const& plan, ILogger& logger) : impl_(plan, logger) { mImpl = &impl_; }

private:
    struct Impl final : UnusedExecutionContext {
        Impl(Plan const& its_plan, ILogger& its_logger) : plan(its_plan), logger(its_logger) {}

        bool setInputShape(char const* name, Dims const& dims) noexcept override {
            if (std::strcmp(name, "image") != 0 || dims.nbDims != 4) return false;
            for (int axis = 0; axis < 4; ++axis) {
                if (dims.d[axis] < plan.low.d[axis] || dims.d[axis] > plan.high.d[axis]) return false;
            }
            shape = dims;
            return true;
        }
        Dims getTensorShape(char const* name) const noexcept override { return plan.outputs.at(name).shape; }
        bool setTensorAddress(char const* name, void* data) noexcept override {
            addresses[name] = data;
            return data != nullptr;
        }
        bool enqueueV3(cudaStream_t stream) noexcept override {
            if (stream == nullptr || addresses.size() != plan.names.size()) return false;
            if (plan.fails) {
                logger.log(ILogger::Severity::kWARNING, "only a warning");
                logger.log(ILogger::Severity::kERROR, "the kernel was not for this GPU");
                logger.log(ILogger::Severity::kERROR, "and a second reason");
                return false;
            }
            if (!plan.saves.empty()) {
                std::ofstream(plan.saves, std::ios::binary)
                    .write(static_cast<char*>(addresses["image"]), shape.d[1] * shape.d[2] * shape.d[3]);
            }
            for (auto const& [name, output] : plan.outputs) {
                std::ifstream file(output.file, std::ios::binary);
                std::vector<char> const values{std::istreambuf_iterator<char>(file), {}};
                std::memcpy(addresses[name], values.data(), values.size());
            }
            return true;
        }

        Plan const& plan;
        ILogger& logger;
        Dims shape{};
        std::map<std::string, void*> addresses;
    };
    Impl impl_;
};

class Engine final : public ICudaEngine {
public:
    Engine(Plan plan, ILogger& logger) : impl_(std::move(plan), logger) { mImpl = &impl_; }

private:
    struct Impl final : UnusedCudaEngine {
        Impl(Plan its_plan, ILogger& its_logger) : plan(std::move(its_plan)), logger(its_logger) {}

        IExecutionContext* createExecutionContext(ExecutionContextAllocationStrategy) noexcept override {
            return new Context(plan, logger);
        }
        int32_t getNbIOTensors() const noexcept override { return static_cast<int32_t>(plan.names.size()); }
        char const* getIOTensorName(int32_t index) const noexcept override {
            return plan.names.at(static_cast<size_t>(index)).c_str();
        }
        TensorIOMode getTensorIOMode(char const* name) const noexcept override {
            if (std::strcmp(name, "image") == 0) return TensorIOMode::kINPUT;
            return plan.outputs.count(name) != 0 ? TensorIOMode::kOUTPUT : TensorIOMode::kNONE;
        }
        DataType getTensorDataType(char const* name) const noexcept override {
            return std::strcmp(name, "image") == 0 ? plan.input : plan.outputs.at(name).type;
        }
        Dims getProfileShape(char const*, int32_t, OptProfileSelector which) const noexcept override {
            return which == OptProfileSelector::kMIN ? plan.low : plan.high;
        }

        Plan plan;
        ILogger& logger;
    };
    Impl impl_;
};

class Runtime final : public IRuntime {
public:
    explicit Runtime(ILogger& logger) : impl_(logger) { mImpl = &impl_; }

private:
    struct Impl final : UnusedRuntime {
        explicit Impl(ILogger& its_logger) : logger(its_logger) {}

        IPluginRegistry& getPluginRegistry() noexcept override { return registry; }
        ICudaEngine* deserializeCudaEngine(void const* blob, std::size_t size) noexcept override {
            std::istringstream text(std::string(static_cast<char const*>(blob), size));
            std::string word;
            Plan plan;
            int height[2], width[2];
            if (!(text >> word >> height[0] >> width[0] >> height[1] >> width[1]) || word != "FAKE") {
                logger.log(ILogger::Severity::kERROR, "magic tag does not match");
                return nullptr;
            }
            plan.low = Dims4(1, height[0], width[0], 3);
            plan.high = Dims4(1, height[1], width[1], 3);
            while (text >> word) read(word, text, plan);
            if (!plan.needs.empty() && !registry.has(plan.needs)) {
                logger.log(ILogger::Severity::kERROR, "cannot find the plugin");
                return nullptr;
            }
            return new Engine(std::move(plan), logger);
        }
        static void read(std::string const& word, std::istream& text, Plan& plan) {
            int type = 0;
            if (word == "needs") text >> plan.needs;
            if (word == "saves") text >> plan.saves;
            if (word == "fails") plan.fails = true;
            if (word == "input") {
                text >> type;
                plan.input = static_cast<DataType>(type);
            }
            if (word != "output") return;
            Output output{};
            std::string name;
            text >> name >> type >> output.shape.nbDims;
            output.type = static_cast<DataType>(type);
            for (int axis = 0; axis < output.shape.nbDims; ++axis) text >> output.shape.d[axis];
            text >> output.file;
            plan.names.push_back(name);
            plan.outputs[name] = output;
        }

        ILogger& logger;
        Registry registry;
    };
    Impl impl_;
};

}  // namespace

extern "C" void* createInferRuntime_INTERNAL(void* logger, int32_t version) noexcept {
    if (version != NV_TENSORRT_VERSION || std::getenv("NO_DRIVER") != nullptr) {
        static_cast<ILogger*>(logger)->log(ILogger::Severity::kERROR, "CUDA initialization failure with error: 35");
        return nullptr;
    }
    return new Runtime(*static_cast<ILogger*>(logger));
}
