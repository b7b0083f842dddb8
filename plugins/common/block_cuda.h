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

    template <class Step>
    YOLACT_DEVICE void each(int n, Step step) const {
        for (int i = static_cast<int>(threadIdx.x); i < n; i += static_cast<int>(blockDim.x)) {
            step(i);
        }
        __syncthreads();
    }

    // Compilers move no load above a store or an atomic, so the loads of several iterations have to come first to be in
    // flight together. What is past the end loads the last value once more.
    template <int kInFlight, class Load, class Use>
    YOLACT_DEVICE void each_loaded(int n, Load load, Use use) const {
        int const threads = static_cast<int>(blockDim.x);
#pragma unroll 1
        for (int first = static_cast<int>(threadIdx.x); first < n; first += kInFlight * threads) {
            decltype(load(0)) values[kInFlight];
#pragma unroll
            for (int k = 0; k < kInFlight; ++k) {
                int const i = first + k * threads;
                values[k] = load(i < n ? i : n - 1);
            }
#pragma unroll
            for (int k = 0; k < kInFlight; ++k) {
                int const i = first + k * threads;
                if (i < n) use(i, values[k]);
            }
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
