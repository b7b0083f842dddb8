// The launcher's place taken by the host build: the TensorRT shell then runs without a GPU. `stream` is not used.
#include "fast_nms.h"
#include "../../../plugins/fast_nms/launch.h"

namespace yolact {

cudaError_t launch_fast_nms_kernel(FastNmsKernel kernel, ElementType type, FastNmsSizes const& sizes,
    FastNmsSettings const& settings, FastNmsTensors const& tensors, void* workspace, cudaStream_t) {
    bool const is_refused = yolact_fast_nms_kernel(
        kernel, type == ElementType::kHalf, &sizes, &settings, &tensors, workspace, 0) != 0;
    return is_refused ? cudaErrorInvalidValue : cudaSuccess;
}

}  // namespace yolact
