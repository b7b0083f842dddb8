// Plays libcudart for the C++ example: device memory is memory of the host. $FAILS names a function that fails.
#include <cuda_runtime_api.h>

#include <cstdlib>
#include <cstring>

namespace {

bool fails(char const* function) {
    char const* const name = std::getenv("FAILS");
    return name != nullptr && std::strcmp(name, function) == 0;
}

}  // namespace

extern "C" {

cudaError_t cudaMalloc(void** data, size_t bytes) {
    if (fails("cudaMalloc")) return cudaErrorMemoryAllocation;
    *data = std::malloc(bytes);
    std::memset(*data, 0xA5, bytes);
    return cudaSuccess;
}

cudaError_t cudaFree(void* data) {
    std::free(data);
    return cudaSuccess;
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned int) {
    if (fails("cudaStreamCreateWithFlags")) return cudaErrorMemoryAllocation;
    *stream = static_cast<cudaStream_t>(std::malloc(1));
    return cudaSuccess;
}

cudaError_t cudaStreamDestroy(cudaStream_t stream) {
    std::free(stream);
    return cudaSuccess;
}

cudaError_t cudaMemcpyAsync(void* target, void const* source, size_t count, cudaMemcpyKind kind, cudaStream_t stream) {
    if (stream == nullptr || fails(kind == cudaMemcpyHostToDevice ? "to device" : "to host")) {
        return cudaErrorIllegalAddress;
    }
    if (count != 0) std::memcpy(target, source, count);
    return cudaSuccess;
}

cudaError_t cudaStreamSynchronize(cudaStream_t) {
    return fails("cudaStreamSynchronize") ? cudaErrorIllegalAddress : cudaSuccess;
}

char const* cudaGetErrorString(cudaError_t error) {
    return error == cudaErrorMemoryAllocation ? "out of memory" : "an illegal memory access was encountered";
}

}  // extern "C"
