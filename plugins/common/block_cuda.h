// `Block` on a GPU; see block.h.
#pragma once

#include <cuda_runtime_api.h>

#define YOLACT_DEVICE __device__ __forceinline__      // runs in a kernel
#define YOLACT_BOTH __host__ __device__ inline        // runs in a kernel and in a launcher
#define YOLACT_UNROLL _Pragma("unroll")

namespace yolact {

class Block {
public:
    YOLACT_DEVICE explicit Block(unsigned char* shared) : shared_(shared) {}

    YOLACT_DEVICE int x() const { return static_cast<int>(blockIdx.x); }
    YOLACT_DEVICE int y() const { return static_cast<int>(blockIdx.y); }
    YOLACT_DEVICE int z() const { return static_cast<int>(blockIdx.z); }
    YOLACT_DEVICE int threads() const { return static_cast<int>(blockDim.x); }

    template <class T>
    YOLACT_DEVICE T* shared() const {
        return reinterpret_cast<T*>(shared_);
    }

    // kUnroll: iterations of one thread whose loads may be in flight together.
    template <int kUnroll = 1, class Step>
    YOLACT_DEVICE void each(int n, Step step) const {
#pragma unroll kUnroll
        for (int i = static_cast<int>(threadIdx.x); i < n; i += static_cast<int>(blockDim.x)) {
            step(i);
        }
        __syncthreads();
    }

    template <class T>
    YOLACT_DEVICE T read(T const& value) const {
        T const copy = value;
        __syncthreads();
        return copy;
    }

private:
    unsigned char* shared_;
};

}  // namespace yolact
