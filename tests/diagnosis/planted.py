"""Faults to plant in an exported file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper

from yolact_deploy.diagnosis.compare import CompareOptions, compare_models
from yolact_deploy.diagnosis.walk import Comparison
from yolact_deploy.types import Image

Fault = Callable[[onnx.ModelProto], None]


def change(model: onnx.ModelProto, name: str, edit: Callable[[np.ndarray], np.ndarray]) -> None:
    """Replace the values of an initializer."""
    tensor = next(tensor for tensor in model.graph.initializer if tensor.name == name)
    values = numpy_helper.to_array(tensor)
    tensor.CopyFrom(numpy_helper.from_array(edit(values).astype(values.dtype), name))


def disturb(name: str, share: float = 0.1) -> Fault:
    """Add noise to a layer's weights, a `share` of their own size."""

    def plant(model: onnx.ModelProto) -> None:
        noise = np.random.default_rng(1)
        change(model, f"model.{name}.weight", lambda w: w + share * w.std() * noise.standard_normal(w.shape))

    return plant


def bypass(operator: str, reader: str | None = None, after: str | None = None) -> Fault:
    """Leave out the node `operator` whose result is `reader`'s input, or that reads the layer `after`."""

    def plant(model: onnx.ModelProto) -> None:
        graph = model.graph
        writers = {name: node for node in graph.node for name in node.output}
        for node in graph.node:
            if node.op_type != operator:
                continue
            layer = writers.get(node.input[0])
            weight = layer.input[1] if layer is not None and len(layer.input) > 1 else ""
            if weight == f"model.{after}.weight" or (after is None and node.output[0] == reader):
                node.op_type = "Identity"
                del node.attribute[:]
                return
        raise AssertionError("no such node")

    return plant


def align_corners(after: str) -> Fault:
    """Change where the Resize reads that follows the layer `after`, a Relu between them or not."""

    def plant(model: onnx.ModelProto) -> None:
        writers = {name: node for node in model.graph.node for name in node.output}
        for node in model.graph.node:
            source = writers.get(node.input[0]) if node.op_type == "Resize" else None
            while source is not None and source.op_type == "Relu":
                source = writers[source.input[0]]
            if source is not None and len(source.input) > 1 and source.input[1] == f"model.{after}.weight":
                mode = next(a for a in node.attribute if a.name == "coordinate_transformation_mode")
                mode.s = b"align_corners"
                return
        raise AssertionError("no such node")

    return plant


def in_function(function: str, output: str, slot: int, name: str) -> Fault:
    """Let the node of a model-local function that writes `output` read `name`."""

    def plant(model: onnx.ModelProto) -> None:
        body = next(body for body in model.functions if body.name == function)
        next(node for node in body.node if output in node.output).input[slot] = name

    return plant


def initializer(name: str, edit: Callable[[np.ndarray], np.ndarray]) -> Fault:
    return lambda model: change(model, name, edit)


def poison(values: np.ndarray) -> np.ndarray:
    values = values.copy()
    values.flat[0] = np.nan
    return values


def compare(reference: Path, suspect: Path, image: Image) -> Comparison:
    """With the defaults."""
    return compare_models(reference, suspect, image, CompareOptions())
