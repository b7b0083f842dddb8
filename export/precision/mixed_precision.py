"""Rewriting a graph so that its network computes in half precision, with a Cast wherever the two meet.

Why not a ready-made converter: on files of this project, with everything but the network blocked,
onnxruntime.transformers.float16 (1.32) sends every tensor between two blocked nodes through fp16 and back, the boxes
among them, and leaves the nodes unsorted; onnxconverter-common (1.16) renames the raw outputs, declares graph outputs
fp16 and so breaks the type inference of the model-local functions; both know fp16 only. ModelOpt AutoCast (0.47) takes
a node with a model-local function for a TensorRT plugin and stops without TensorRT.
"""

from __future__ import annotations

from typing import Any

import onnx
from onnx import TensorProto, helper

from yolact_deploy.errors import ModelFileError
from yolact_deploy.export.precision.half_types import NO_LOSS, HalfType, WeightLoss, half_weight
from yolact_deploy.export.precision.rules import (
    FP32_ANCESTRY,
    FP32_INPUTS,
    FP32_OPERATORS,
    LEARNED_OPERATORS,
    NETWORK_PREFIX,
    TYPE_BLIND_OPERATORS,
)


def cast_network(model: onnx.ModelProto, half: HalfType, source: object) -> WeightLoss:
    """Turn the network of `model`, in place, to `half`. Only its main graph changes, and opset numbers if need be.

    A tensor that any float32 reader wants keeps its name and type, and its half-precision twin is called NAME/fp16;
    a tensor that only half-precision nodes read keeps its name and changes its type. Nodes keep their names.

    Raises ModelFileError, with `source` for the model's name, when it has no network or as `half_weight` does.
    """
    floats = _float_tensors(model)
    rewriter = _Rewriter(model.graph, half, floats, half_node_indices(model.graph, floats), source)
    loss = rewriter.rewrite()
    if loss == NO_LOSS:
        raise ModelFileError(f"{source} has no weights in nodes named {NETWORK_PREFIX}...: export it again")
    _raise_opset(model, half.min_opset)
    return loss


def half_node_indices(graph: onnx.GraphProto, floats: set[str]) -> set[int]:
    """The nodes that compute in half precision; `floats` are the names of all float32 tensors."""
    exact = _exact_ancestry(graph)
    return {
        index
        for index, node in enumerate(graph.node)
        if node.name.startswith(NETWORK_PREFIX)
        and not node.domain
        and node.op_type not in FP32_OPERATORS
        and index not in exact
        and any(name in floats for slot, name in enumerate(node.input) if _is_cast_slot(node, slot))
        and any(name in floats for name in node.output)
    }


def _float_tensors(model: onnx.ModelProto) -> set[str]:
    """Names of all float32 tensors of the main graph."""
    graph = onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True).graph
    values = (*graph.value_info, *graph.input, *graph.output)
    floats = {value.name for value in values if value.type.tensor_type.elem_type == TensorProto.FLOAT}
    return floats | {tensor.name for tensor in graph.initializer if tensor.data_type == TensorProto.FLOAT}


def _raise_opset(model: onnx.ModelProto, opset: int) -> None:
    """Declare at least `opset` of the standard operators, in functions too, as ONNX demands.

    From 20 to 22 the operators of an exported file only learn to take more types.
    """
    for imports in (model.opset_import, *(function.opset_import for function in model.functions)):
        for entry in imports:
            if not entry.domain:
                entry.version = max(entry.version, opset)


def _exact_ancestry(graph: onnx.GraphProto) -> set[int]:
    """The nodes that compute an input of FP32_ANCESTRY."""
    writers = {name: index for index, node in enumerate(graph.node) for name in node.output if name}
    pending = [
        node.input[slot]
        for node in graph.node
        for slot in FP32_ANCESTRY.get(node.op_type, ())
        if slot < len(node.input)
    ]
    found: set[int] = set()
    while pending:
        index = writers.get(pending.pop())
        if index is None or index in found or graph.node[index].op_type in LEARNED_OPERATORS:
            continue
        found.add(index)
        pending += graph.node[index].input
    return found


def _is_cast_slot(node: Any, slot: int) -> bool:
    return slot not in FP32_INPUTS.get(node.op_type, ())


class _Rewriter:
    """Walks the nodes in order, so that each Cast stands after the writer and before the first reader."""

    def __init__(
        self, graph: onnx.GraphProto, half: HalfType, floats: set[str], half_nodes: set[int], source: object
    ) -> None:
        self._graph = graph
        self._half = half
        self._floats = floats
        self._half_nodes = half_nodes
        self._source = source
        self._initializers = {tensor.name: tensor for tensor in graph.initializer}
        self._read_as_float = self._float_readings()
        self._half_names: dict[str, str] = {}  # float32 name -> name of the same values in half precision
        self._nodes: list[onnx.NodeProto] = []
        self._loss = NO_LOSS

    def rewrite(self) -> WeightLoss:
        for index, node in enumerate(self._graph.node):
            if index in self._half_nodes:
                self._add_half_node(node)
            else:
                self._nodes.append(node)
        nodes = [_copy(node) for node in self._nodes]
        del self._graph.node[:]
        self._graph.node.extend(nodes)
        for value in self._graph.value_info:
            if self._half_names.get(value.name) == value.name:
                value.type.tensor_type.elem_type = self._half.element_type
        return self._loss

    def _float_readings(self) -> set[str]:
        """Names of tensors that are wanted in float32: by nodes that stay, by float32 inputs, as graph outputs."""
        names = {value.name for value in self._graph.output}
        for index, node in enumerate(self._graph.node):
            if index in self._half_nodes:
                names |= {name for slot, name in enumerate(node.input) if not _is_cast_slot(node, slot)}
            elif node.op_type not in TYPE_BLIND_OPERATORS:
                names |= set(node.input)
        return names

    def _add_half_node(self, node: onnx.NodeProto) -> None:
        for slot, name in enumerate(node.input):
            if name in self._floats and _is_cast_slot(node, slot):
                node.input[slot] = self._as_half(name)
        self._nodes.append(node)
        for slot, name in enumerate(node.output):
            if name not in self._floats:
                continue
            if name in self._read_as_float:
                node.output[slot] = self._half_names[name] = self._twin(name)
                self._cast(self._twin(name), name, TensorProto.FLOAT, "fp32")
            else:
                self._half_names[name] = name

    def _as_half(self, name: str) -> str:
        """The name of `name` in half precision, made now if need be."""
        if name not in self._half_names:
            self._half_names[name] = self._twin(name)
            if name in self._initializers:
                self._convert_weight(name)
            else:
                self._cast(name, self._twin(name), self._half.element_type, self._half.name)
        return self._half_names[name]

    def _convert_weight(self, name: str) -> None:
        tensor = self._initializers[name]
        shared = name in self._read_as_float
        new_name = self._twin(name) if shared else name
        self._half_names[name] = new_name
        converted, loss = half_weight(tensor, self._half, new_name, self._source)
        self._loss += loss
        if shared:
            self._graph.initializer.append(converted)
        else:
            tensor.CopyFrom(converted)

    def _cast(self, source: str, target: str, element_type: int, type_name: str) -> None:
        plain = source.removesuffix(f"/{self._half.name}")
        name = f"{NETWORK_PREFIX}cast_{plain}_to_{type_name}"
        self._nodes.append(helper.make_node("Cast", [source], [target], name=name, to=element_type))

    def _twin(self, name: str) -> str:
        return f"{name}/{self._half.name}"


def _copy(node: onnx.NodeProto) -> onnx.NodeProto:
    """A node that outlives the list it came from."""
    copy = onnx.NodeProto()
    copy.CopyFrom(node)
    return copy
