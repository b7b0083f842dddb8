#include "launch.h"

namespace yolact {

char const* error_text(cudaError_t error) { return cudaGetErrorString(error); }

}  // namespace yolact
