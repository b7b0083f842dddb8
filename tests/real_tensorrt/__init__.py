"""TensorRT's own Python modules without a GPU: what pip can install of the releases that this project is for."""
