#include "../../../plugins/common/launch.h"

namespace yolact {

char const* error_text(cudaError_t error) {
    return error == cudaErrorInvalidValue ? "invalid argument" : "an error of the host build";
}

}  // namespace yolact
