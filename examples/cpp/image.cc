#include "image.h"

#include <fstream>
#include <limits>
#include <stdexcept>
#include <utility>

namespace {

constexpr std::int32_t kLargestSide = 1 << 14;  // px

// The next number of the header; comments run from # to the end of their line. -1 when there is none.
std::int32_t read_number(std::istream& file) {
    while ((file >> std::ws).peek() == '#') file.ignore(std::numeric_limits<std::streamsize>::max(), '\n');
    std::int32_t number = -1;
    return file >> number ? number : -1;
}

}  // namespace

Image read_ppm(std::string const& path) {
    std::ifstream file(path, std::ios::binary);
    if (!file) throw std::runtime_error(path + ": cannot be read");
    char magic[2] = {};
    file.read(magic, sizeof magic);
    if (magic[0] != 'P' || magic[1] != '6') {
        throw std::runtime_error(path + ": not a binary PPM file (convert photo.jpg photo.ppm)");
    }
    Image image{};
    image.width = read_number(file);
    image.height = read_number(file);
    std::int32_t const largest_value = read_number(file);
    file.ignore(1);  // one white space before the pixels
    if (image.width < 1 || image.height < 1 || image.width > kLargestSide || image.height > kLargestSide ||
        largest_value != 255) {
        throw std::runtime_error(path + ": needs 1 to " + std::to_string(kLargestSide) + " px a side, and 8 bits a channel");
    }
    image.bgr.resize(static_cast<std::size_t>(image.width) * static_cast<std::size_t>(image.height) * 3);
    file.read(reinterpret_cast<char*>(image.bgr.data()), static_cast<std::streamsize>(image.bgr.size()));
    if (file.gcount() != static_cast<std::streamsize>(image.bgr.size())) {
        throw std::runtime_error(path + ": ends before its last pixel");
    }
    for (std::size_t pixel = 0; pixel < image.bgr.size(); pixel += 3) std::swap(image.bgr[pixel], image.bgr[pixel + 2]);
    return image;
}
