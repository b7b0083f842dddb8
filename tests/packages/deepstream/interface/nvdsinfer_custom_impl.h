// What the parser uses of nvinfer's interface, declared anew with the names and the layout of DeepStream 6.3 to 9.1:
// for tests on machines without DeepStream.
#pragma once

#include <vector>

#define NVDSINFER_MAX_DIMS 8

enum NvDsInferDataType { FLOAT = 0, HALF = 1, INT8 = 2, INT32 = 3 };

struct NvDsInferDims {
    unsigned int numDims;
    unsigned int d[NVDSINFER_MAX_DIMS];
    unsigned int numElements;
};

struct NvDsInferLayerInfo {
    NvDsInferDataType dataType;
    union {
        NvDsInferDims inferDims;
        NvDsInferDims dims;
    };
    int bindingIndex;
    char const* layerName;
    void* buffer;
    int isInput;
};

struct NvDsInferNetworkInfo {
    unsigned int width;
    unsigned int height;
    unsigned int channels;
};

struct NvDsInferInstanceMaskInfo {
    unsigned int classId;
    float left;
    float top;
    float width;
    float height;
    float detectionConfidence;
    float* mask;
    unsigned int mask_width;
    unsigned int mask_height;
    unsigned int mask_size;  // bytes
};

struct NvDsInferParseDetectionParams {
    unsigned int numClassesConfigured;
    std::vector<float> perClassPreclusterThreshold;
    std::vector<float> perClassPostclusterThreshold;
    std::vector<float>& perClassThreshold = perClassPreclusterThreshold;
};
