// Pictures as the network takes them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

struct Image {
    std::int32_t height;            // px
    std::int32_t width;             // px
    std::vector<std::uint8_t> bgr;  // [height, width, 3]
};

// Reads a binary PPM file (P6, 8 bits). Throws std::runtime_error for anything else.
Image read_ppm(std::string const& path);
