"""The operators of an ONNX graph, and its tensors as their readers see them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from .operators import Namer, Structure

LAYERS = ("Conv", "DeformConv", "ConvTranspose", "Gemm")
NORM = "BatchNormalization"
MOVERS = (  # only move or round values
    *("Transpose", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Slice", "Split", "Identity", "Expand", "Tile"),
    *("Cast", "QuantizeLinear", "DequantizeLinear"),
)
SHAPES = ("Shape", "Size", "ConstantOfShape", "Constant")  # what comes of them are sizes


class OnnxGraph:
    """The main graph of a model, indexed."""

    def __init__(self, model: Any, levels: Sequence[str]) -> None:
        """model: an `onnx.ModelProto`; levels: names of the FPN's levels, finest first."""
        self._graph = model.graph
        self._levels = levels
        self._weights = {tensor.name for tensor in self._graph.initializer}
        self._writers = {name: node for node in self._graph.node for name in node.output if name}
        self._readers: dict[str, list[Any]] = defaultdict(list)
        for node in self._graph.node:
            for name in node.input:
                self._readers[name].append(node)
        self.inputs = tuple(value.name for value in self._graph.input if value.name not in self._weights)

    def has(self, name: str) -> bool:
        """Whether there is such a tensor."""
        return name in self._writers or name in self.inputs

    def as_read(self, name: str) -> str:
        """The tensor that the readers of `name` get: another one where it is quantised on the way to all of them.

        A quantiser may leave an activation (a Relu) to the rounding, so only the tensor behind it means the same.
        """
        readers = self._readers[name]
        if len(readers) != 1 or readers[0].op_type != "QuantizeLinear":
            return name
        after = self._readers[readers[0].output[0]]
        if not after or any(node.op_type != "DequantizeLinear" for node in after):
            return name
        return str(after[0].output[0])

    def structure(self, stages: Iterable[str]) -> tuple[Structure, dict[str, str]]:
        """The operators in the file's order, and for each key the tensor that holds its result."""
        namer = Namer(self._levels)
        found, tensors = Structure(), dict[str, str]()
        keys = {name: name for name in self.inputs}
        for node in self._graph.node:
            inputs = [keys[name] for name in node.input if name in keys]
            if not inputs or node.domain not in ("", "ai.onnx") or node.op_type in SHAPES:
                continue
            if node.op_type in MOVERS:
                keys |= dict.fromkeys(node.output, inputs[0])
                continue
            if node.op_type == NORM and inputs[0] in tensors:  # belongs to the layer before it, as where it is folded
                tensors[inputs[0]] = self.as_read(node.output[0])
                keys |= dict.fromkeys(node.output, inputs[0])
                continue
            weight = self._weight_of(node)
            operator = (
                namer.layer(weight, inputs, node.name)
                if weight
                else namer.operator(node.op_type, inputs, found.operators, node.name)
            )
            found.operators[operator.key] = operator
            tensors[operator.key] = self.as_read(node.output[0])
            keys |= dict.fromkeys(node.output, operator.key)
        found.stages = {name: keys[name] for name in stages if name in keys}
        return found, tensors

    def _weight_of(self, node: Any) -> str:
        """The name of a layer's weights; empty for what has none in the file."""
        if node.op_type not in LAYERS or len(node.input) < 2:
            return ""
        name = str(node.input[1])
        while name not in self._weights and name in self._writers and self._writers[name].op_type in MOVERS:
            name = str(self._writers[name].input[0])
        return name if name in self._weights else ""
