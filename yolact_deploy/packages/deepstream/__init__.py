"""What NVIDIA DeepStream's nvinfer needs to run a model: a configuration, and a library that reads the outputs."""
