// Makes the TensorRT plugins of yolact-deploy known when nvinfer loads this library, which it does before it opens or
// builds an engine. They are in libyolact_plugins.so beside this library; without that file nothing happens.
// LD_PRELOAD would not do: the plugins register themselves with nobody.
#include <NvInferRuntime.h>
#include <NvInferVersion.h>

#include <cstdint>
#include <cstdio>
#include <dlfcn.h>
#include <exception>
#include <string>
#include <unistd.h>

namespace {

constexpr char const* kPlugins = "libyolact_plugins.so";

void tell(std::string const& text) { std::fprintf(stderr, "yolact-deploy: %s\n", text.c_str()); }

std::string folder_of_this_library() {
    Dl_info info{};
    if (dladdr(reinterpret_cast<void const*>(&folder_of_this_library), &info) == 0) return ".";
    std::string const path = info.dli_fname;
    auto const slash = path.rfind('/');
    return slash == std::string::npos ? "." : path.substr(0, slash);
}

// TensorRT crashes in a plugin library of another major version, so that is asked first. What is loaded stays.
bool has_right_major(std::string const& path) {
    void* const library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr) return tell(path + ": cannot be loaded (" + dlerror() + ")"), false;
    auto const major = reinterpret_cast<std::int32_t (*)()>(dlsym(library, "yolact_plugins_tensorrt_major"));
    if (major == nullptr) return tell(path + ": is no plugin library of yolact-deploy"), false;
    if (major() == NV_TENSORRT_MAJOR) return true;
    tell(path + ": was compiled for TensorRT " + std::to_string(major()) + ", here is " +
        std::to_string(NV_TENSORRT_MAJOR) + ": run yolact-deploy build-plugins");
    return false;
}

struct Registration {
    Registration() noexcept {
        try {
            std::string const path = folder_of_this_library() + "/" + kPlugins;
            if (access(path.c_str(), F_OK) != 0 || !has_right_major(path)) return;
            auto* const registry = getPluginRegistry();
            if (registry != nullptr && registry->loadLibrary(path.c_str()) != nullptr) return;
            tell(path + ": TensorRT does not load it, or has its plugins already");
        } catch (std::exception const& error) {
            tell(error.what());
        }
    }
};

Registration const registration;

}  // namespace
