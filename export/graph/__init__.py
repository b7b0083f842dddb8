"""A checkpoint to one end-to-end ONNX graph."""
