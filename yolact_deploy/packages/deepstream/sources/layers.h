// The outputs of an exported model as nvinfer hands them over, for one frame: checked, and under their names.
#pragma once

#include "nvdsinfer_custom_impl.h"

#include <string>
#include <vector>

// Everything is in host memory that belongs to nvinfer.
struct Detections {
    unsigned int count = 0;              // rows that are detections; the others are padding
    float const* boxes = nullptr;        // [D,4] x1 y1 x2 y2, relative to the frame, not clipped
    float const* scores = nullptr;       // [D]
    int const* classes = nullptr;        // [D]
    float const* masks = nullptr;        // [D,mask_height,mask_width] soft, cropped to their boxes
    unsigned int mask_height = 0;
    unsigned int mask_width = 0;
};

// Reads and checks the layers. Returns what is wrong with them, empty when nothing is; `found` is undefined then.
std::string read_layers(std::vector<NvDsInferLayerInfo> const& layers, Detections& found);
