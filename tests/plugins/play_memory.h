// The memory that tensors lie in, and the names of their types.
#pragma once

#include "play_tensorrt.h"

#include <cuda_runtime_api.h>

#include <cstdlib>
#include <cstring>
#include <vector>

// Memory of the device, or of the host behind the host build; filled with garbage, and guarded at its end.
class Memory {
public:
    static constexpr size_t kGuard = 256;
    static constexpr int kGarbage = 0xA5;

    explicit Memory(size_t bytes) : bytes_(bytes) {
        std::vector<char> const garbage(bytes + kGuard, static_cast<char>(kGarbage));
#ifdef WITH_CUDA
        REQUIRE(cudaMalloc(&data_, garbage.size()) == cudaSuccess);
#else
        data_ = std::aligned_alloc(256, (garbage.size() + 255) / 256 * 256);
#endif
        write(garbage);
    }

    ~Memory() {
#ifdef WITH_CUDA
        cudaFree(data_);
#else
        std::free(data_);
#endif
    }

    Memory(Memory const&) = delete;
    Memory& operator=(Memory const&) = delete;

    void write(std::vector<char> const& bytes) {
#ifdef WITH_CUDA
        REQUIRE(cudaMemcpy(data_, bytes.data(), bytes.size(), cudaMemcpyHostToDevice) == cudaSuccess);
#else
        std::memcpy(data_, bytes.data(), bytes.size());
#endif
    }

    std::vector<char> read() const {
        std::vector<char> bytes(bytes_ + kGuard);
#ifdef WITH_CUDA
        REQUIRE(cudaMemcpy(bytes.data(), data_, bytes.size(), cudaMemcpyDeviceToHost) == cudaSuccess);
#else
        std::memcpy(bytes.data(), data_, bytes.size());
#endif
        for (size_t i = bytes_; i < bytes.size(); ++i) REQUIRE(bytes[i] == static_cast<char>(kGarbage));
        bytes.resize(bytes_);
        return bytes;
    }

    void* data() const { return data_; }

private:
    void* data_ = nullptr;
    size_t bytes_;
};

struct TypeName {
    char const* name;
    nvinfer1::DataType type;
    size_t bytes;
};
constexpr TypeName kTypes[] = {{"f4", nvinfer1::DataType::kFLOAT, 4}, {"f2", nvinfer1::DataType::kHALF, 2},
    {"i4", nvinfer1::DataType::kINT32, 4}};

template <class Wanted>
TypeName const& find_type(Wanted wanted) {
    for (TypeName const& type : kTypes) {
        if (wanted(type)) return type;
    }
    REQUIRE(!"a known type");
    std::abort();
}

inline size_t bytes_of(nvinfer1::PluginTensorDesc const& desc) {
    size_t bytes = find_type([&](TypeName const& type) { return type.type == desc.type; }).bytes;
    for (int32_t i = 0; i < desc.dims.nbDims; ++i) bytes *= static_cast<size_t>(desc.dims.d[i]);
    return bytes;
}
