// What the launchers of all operators share. Plain C++ with CUDA's types: no kernel is visible here.
#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>

namespace yolact {

enum class ElementType : int32_t { kFloat = 0, kHalf = 1 };

// What CUDA says of an error, such as "no kernel image is available for execution on the device".
char const* error_text(cudaError_t error);

}  // namespace yolact
