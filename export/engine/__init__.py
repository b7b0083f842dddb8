"""An exported graph to a TensorRT engine."""
