// The memory that tensors lie in, and the names of their types.
#pragma once

#include "play_tensorrt.h"

#include <cuda_runtime_api.h>

#include <cstdlib>
#include <cstring>
#include <vector>

// Memory of the device, or of the host behind the host build; filled with garbage, and guarded at its end.
// With PLAY_UNINITIALISED in the environment it is not filled, so that compute-sanitizer sees who reads it first.
class Memory {
public:
    static constexpr size_t kGuard = 256;
    static constexpr int kGarbage = 0xA5;

    explicit Memory(size_t bytes) : bytes_(bytes) {
#ifdef WITH_CUDA
        REQUIRE(cudaMalloc(&data_, bytes + kGuard) == cudaSuccess);
#else
        data_ = std::aligned_alloc(256, (bytes + kGuard + 255) / 256 * 256);
#endif
        write(std::vector<char>(kGuard, static_cast<char>(kGarbage)), bytes_);
        if (std::getenv("PLAY_UNINITIALISED") == nullptr) spoil();
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

    void write(std::vector<char> const& bytes, size_t offset = 0) {
        if (bytes.empty()) return;  // memcpy takes no null pointer
#ifdef WITH_CUDA
        REQUIRE(cudaMemcpy(at(offset), bytes.data(), bytes.size(), cudaMemcpyHostToDevice) == cudaSuccess);
#else
        std::memcpy(at(offset), bytes.data(), bytes.size());
#endif
    }

    // Fill all but the guard with garbage.
    void spoil() { write(std::vector<char>(bytes_, static_cast<char>(kGarbage))); }

    std::vector<char> read() const {
        check_guard();
        return copy(0, bytes_);
    }

    void check_guard() const {
        for (char const byte : copy(bytes_, kGuard)) REQUIRE(byte == static_cast<char>(kGarbage));
    }

    void* data() const { return data_; }

private:
    char* at(size_t offset) const { return static_cast<char*>(data_) + offset; }

    std::vector<char> copy(size_t offset, size_t count) const {
        std::vector<char> bytes(count);
#ifdef WITH_CUDA
        REQUIRE(cudaMemcpy(bytes.data(), at(offset), count, cudaMemcpyDeviceToHost) == cudaSuccess);
#else
        std::memcpy(bytes.data(), at(offset), count);
#endif
        return bytes;
    }

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
