// How a kernel is launched, on a GPU and on the host alike. Plain C++.
#pragma once

#include <cstdint>

namespace yolact {

struct LaunchShape {
    int32_t x, y, z;       // blocks
    int32_t threads;       // a block
    int32_t shared_bytes;  // a block, asked for at the launch
};

}  // namespace yolact
