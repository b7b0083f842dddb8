"""ONNX Runtime's static quantiser on a network, in one of two layouts.

One file cannot serve both. On a CPU, ONNX Runtime absorbs a Relu only into an unsigned quantiser, and needs the results
of convolutions and additions quantised, too. TensorRT wants symmetric int8 at the inputs of convolutions, and refuses
an int32 bias behind a DequantizeLinear.

YOLACT++: what computes sampling positions stays in float, back to and including the layer that learned them. The
mask-IoU net lies behind the network's outputs, and is never quantised. A transformer (Swin) stays in float as a whole:
its additions hold masks of -100 beside small numbers, and its matrix products are no convolutions.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import onnx

from yolact_deploy.artifacts.quantization import CPU_LAYOUT, TENSORRT_LAYOUT
from yolact_deploy.artifacts.tensor_names import NETWORK_INPUT
from yolact_deploy.dependencies import require
from yolact_deploy.errors import ModelFileError
from yolact_deploy.export.precision.int8.thresholds import Range
from yolact_deploy.export.precision.rules import FP32_ANCESTRY, LEARNED_OPERATORS

OPERATORS = {  # layout -> what is quantised
    CPU_LAYOUT: ("Conv", "Relu", "Add", "MaxPool"),
    TENSORRT_LAYOUT: ("Conv",),
}
_OPTIONS: dict[str, dict[str, Any]] = {
    CPU_LAYOUT: {},
    TENSORRT_LAYOUT: {
        "ActivationSymmetric": True,
        "QuantizeBias": False,
        "OpTypesToExcludeOutputQuantization": ["Conv"],
    },
}


def calibrated_tensors(network: onnx.ModelProto) -> list[str]:
    """The tensors of `network` whose range any layout needs, in the graph's order.

    What a Relu alone reads takes the range of the Relu's result, and is not measured.
    """
    weights = {tensor.name for tensor in network.graph.initializer}
    hidden = _read_by_relu_alone(network)
    operators, transformer = OPERATORS[CPU_LAYOUT], transformer_nodes(network)
    names: dict[str, None] = {}
    for node in network.graph.node:
        if node.op_type in operators and node.name not in transformer:
            activations = node.input[:1] if node.op_type == "Conv" else node.input
            names |= dict.fromkeys(name for name in (*activations, *node.output) if name not in weights)
    return [name for name in names if name not in hidden]


def quantise(
    network: onnx.ModelProto, ranges: Mapping[str, Range], layout: str, kept: Iterable[str], source: object
) -> onnx.ModelProto:
    """A copy of the fp32 `network` with QuantizeLinear and DequantizeLinear pairs and int8 weights, per channel.

    ranges: by tensor, for all of `calibrated_tensors`. kept: names of nodes that stay in float, besides those that
    compute sampling positions and those of a transformer. Raises ModelFileError, with `source` for the model's name,
    when a range is missing.
    """
    require("onnxruntime", "quantising a network")
    from onnxruntime.quantization import CalibrationMethod, QuantType
    from onnxruntime.quantization.calibrate import TensorsData
    from onnxruntime.quantization.qdq_quantizer import QDQQuantizer

    missing = [name for name in calibrated_tensors(network) if name not in ranges]
    if missing:
        raise ModelFileError(
            f"the statistics lack the tensor {missing[0]} of {source}: it was exported in another way; calibrate again"
        )
    shown = dict(ranges) | {name: ranges[relu] for name, relu in _read_by_relu_alone(network).items()}
    copy = onnx.ModelProto()
    copy.CopyFrom(network)
    quantizer = QDQQuantizer(
        copy,
        per_channel=True,
        reduce_range=False,
        weight_qType=QuantType.QInt8,
        activation_qType=QuantType.QUInt8 if layout == CPU_LAYOUT else QuantType.QInt8,
        tensors_range=TensorsData(
            CalibrationMethod.MinMax, {name: tuple(map(np.float32, pair)) for name, pair in shown.items()}
        ),
        nodes_to_quantize=[],
        nodes_to_exclude=sorted({*kept, *position_nodes(network), *transformer_nodes(network)}),
        op_types_to_quantize=list(OPERATORS[layout]),
        extra_options=_OPTIONS[layout],
    )
    quantizer.quantize_model()
    quantizer.model.topological_sort()
    result: onnx.ModelProto = quantizer.model.model
    return result


def position_nodes(network: onnx.ModelProto) -> set[str]:
    """Names of the nodes that compute sampling positions, the layers that learned them among them."""
    pending = [
        node.input[slot]
        for node in network.graph.node
        for slot in FP32_ANCESTRY.get(node.op_type, ())
        if slot < len(node.input)
    ]
    return _ancestry(network, pending, LEARNED_OPERATORS)


def transformer_nodes(network: onnx.ModelProto) -> set[str]:
    """Names of the nodes that a layer normalisation comes from, these themselves among them."""
    norms = [node.output[0] for node in network.graph.node if node.op_type == "LayerNormalization"]
    return _ancestry(network, norms)


def _ancestry(network: onnx.ModelProto, tensors: list[str], ends: Iterable[str] = ()) -> set[str]:
    """Names of the nodes that `tensors` come from, back to and including the first ones of the operators `ends`."""
    writers = {name: node for node in network.graph.node for name in node.output if name}
    pending, found = list(tensors), set[str]()
    while pending:
        node = writers.get(pending.pop())
        if node is None or node.name in found:
            continue
        found.add(node.name)
        if node.op_type not in ends:
            pending += node.input
    return found


def _read_by_relu_alone(network: onnx.ModelProto) -> dict[str, str]:
    """Tensor -> result of the Relu that is its only reader."""
    readers: dict[str, list[onnx.NodeProto]] = {}
    for node in network.graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    outputs = {value.name for value in network.graph.output}
    return {
        name: nodes[0].output[0]
        for name, nodes in readers.items()
        if len(nodes) == 1 and nodes[0].op_type == "Relu" and name not in outputs and name != NETWORK_INPUT
    }
