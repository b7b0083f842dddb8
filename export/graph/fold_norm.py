"""Batch normalisation behind a deformable convolution, folded into its weights: the tracer does that for Conv alone."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import numpy_helper

_EPSILON = 1e-5  # of ONNX's BatchNormalization, where the node does not say


def fold_norms(graph: onnx.GraphProto) -> None:
    """Fold every BatchNormalization that is the only reader of a DeformConv with a bias, in place.

    y = (W x + b - mean) * s + shift, with s = scale / sqrt(variance + epsilon), is another convolution: W s, and
    (b - mean) * s + shift.
    """
    weights = {tensor.name: tensor for tensor in graph.initializer}
    layers = {node.output[0]: node for node in graph.node if node.op_type == "DeformConv"}
    readers = [name for node in graph.node for name in node.input]
    outputs = {value.name for value in graph.output}
    for norm in [node for node in graph.node if node.op_type == "BatchNormalization"]:
        layer = layers.get(norm.input[0])
        if layer is None or readers.count(norm.input[0]) != 1 or norm.input[0] in outputs:
            continue
        weight, bias = layer.input[1], layer.input[3]
        if not bias or readers.count(weight) != 1 or readers.count(bias) != 1:
            continue
        scale, shift, mean, variance, w, b = (
            numpy_helper.to_array(weights[name]).astype(np.float64) for name in (*norm.input[1:], weight, bias)
        )
        epsilon = next((item.f for item in norm.attribute if item.name == "epsilon"), _EPSILON)
        factor = scale / np.sqrt(variance + epsilon)
        for name, values in ((weight, w * factor[:, None, None, None]), (bias, (b - mean) * factor + shift)):
            weights[name].CopyFrom(numpy_helper.from_array(values.astype(np.float32), name))
        layer.output[0] = norm.output[0]
        graph.node.remove(norm)
    used = {name for node in graph.node for name in node.input}
    kept = [tensor for tensor in graph.initializer if tensor.name in used]
    graph.ClearField("initializer")
    graph.initializer.extend(kept)
