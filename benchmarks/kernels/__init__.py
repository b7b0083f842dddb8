"""The plugins' kernels on the GPU here: whether they are right, and how fast they are."""
