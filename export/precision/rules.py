"""What stays float32 in a half-precision file, and why: the one list that `mixed_precision.py` goes by.

Only nodes of the network are ever converted, by NETWORK_PREFIX: pixels (0..255, then normalised) and everything that
works on coordinates, probabilities and mask logits lies outside it, in the nodes `preprocess/` and `postprocess/` and
in the bodies of the model-local functions. Inside the network the tables below make the exceptions, by operator.

Everything else goes to half precision: convolutions, and what moves, adds or clips their results. That includes the
bilinear Resize of FPN and prototype net. Its positions come from sizes, not from tensors, and its result is rounded by
whatever reads it, so float32 there changes no value in a comparison on the bundled data set; in TensorRT it would only
move the largest activations of the network at twice the size. (A GPU may interpolate with fewer digits than the CPU
that was compared: parity of an engine is measured on the engine.)
"""

from __future__ import annotations

NETWORK_PREFIX = "network/"  # of node names, see network.export_network and graph.build_model

FP32_OPERATORS = {  # operator -> why all of its inputs and outputs stay float32
    "Softmax": "class probabilities are compared with a threshold and with each other; in half precision neighbours "
    "become equal (steps of 0.0005 below 1 in fp16, 0.004 in bf16) and their order is lost",
    "Tanh": "makes the mask coefficients, whose next reader is the float32 sum of the mask logits: as many casts "
    "before it as after it, and the coefficients are not rounded once more",
    "GridSample": "takes sampling positions, see FP32_ANCESTRY; TensorRT wants input and grid of one type",
    "DeformConv": "the same positions inside one operator; ONNX wants all of its inputs of one type",
    "LayerNormalization": "sums the squares of all channels, which may pass 65504",
    "Cast": "says its type itself",
}

FP32_INPUTS = {  # operator -> inputs that are float32, or no activation, by ONNX's definition
    "Resize": (1, 2),  # roi, scales
}

FP32_ANCESTRY = {  # operator -> inputs whose whole computation stays float32, back to the layer that learned it
    # A finished fp16 grid is off by up to 0.017 px at 138 px, and each addition on the way to it adds as much again.
    "GridSample": (1,),  # grid
    "DeformConv": (2,),  # offset
}

LEARNED_OPERATORS = ("Conv", "ConvTranspose", "Gemm", "MatMul")  # where an ancestry ends: too costly in float32

TYPE_BLIND_OPERATORS = ("Shape", "Size")  # read any type: no tensor is cast for them
