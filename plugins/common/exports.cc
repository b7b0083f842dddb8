// What TensorRT looks for in a plugin library. With these two functions nothing has to call TensorRT's registry, whose
// table of functions differs between TensorRT 10 and 11.
#include "creator.h"
#include "log.h"

#include "../fast_nms/plugin.h"
#include "../mask_assembly/plugin.h"

#define YOLACT_EXPORT __attribute__((visibility("default")))

extern "C" YOLACT_EXPORT nvinfer1::IPluginCreatorInterface* const* getCreators(int32_t& count) {
    static yolact::Creator<yolact::FastNmsPlugin> fast_nms;
    static yolact::Creator<yolact::MaskAssemblyPlugin> mask_assembly;
    static nvinfer1::IPluginCreatorInterface* const creators[] = {&fast_nms, &mask_assembly};
    count = 2;
    return creators;
}

extern "C" YOLACT_EXPORT void setLoggerFinder(nvinfer1::ILoggerFinder* finder) { yolact::set_logger_finder(finder); }

// The major version of the headers that this library was compiled with.
extern "C" YOLACT_EXPORT int32_t yolact_plugins_tensorrt_major() { return NV_TENSORRT_MAJOR; }

// Says which sources this library was compiled from. CMakeLists.txt defines it; empty: compiled without, so not known.
#ifndef YOLACT_PLUGINS_SOURCE_VERSION
#define YOLACT_PLUGINS_SOURCE_VERSION ""
#endif
extern "C" YOLACT_EXPORT char const* yolact_plugins_source_version() { return YOLACT_PLUGINS_SOURCE_VERSION; }
