"""An exported graph cut at the tensors that every export names, so that its stages can be timed apart.

Only the timing needs this: the file runs as one graph.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from yolact_deploy.artifacts.tensor_names import FLOAT_IMAGE, NETWORK_INPUT, RAW_OUTPUTS
from yolact_deploy.dependencies import require
from yolact_deploy.errors import ModelFileError

if TYPE_CHECKING:
    import onnx


@dataclass(frozen=True)
class GraphStages:
    """The parts of an exported graph as serialised models."""

    # image -> NETWORK_INPUT, and FLOAT_IMAGE where `postprocess` takes it; None when the graph takes NETWORK_INPUT
    preprocess: bytes | None
    network: bytes  # NETWORK_INPUT -> RAW_OUTPUTS
    postprocess: bytes  # RAW_OUTPUTS, and of image-size masks FLOAT_IMAGE -> the graph's outputs


def split_graph(path: Path) -> GraphStages:
    """Cut the exported file at `path`.

    Raises ModelFileError when it is no ONNX file or lacks the tensors to cut at, MissingDependencyError without onnx.
    """
    onnx_module = require("onnx", "timing the stages of an ONNX file")
    try:
        model = onnx_module.load(str(path))
    except Exception as error:  # protobuf's own error classes, which differ between its versions
        raise ModelFileError(f"{path}: cannot read it ({error}): export it again") from None
    graph = model.graph
    input_names = [value.name for value in graph.input]
    output_names = [value.name for value in graph.output]
    _, read = _nodes_between(graph, {*RAW_OUTPUTS, FLOAT_IMAGE}, output_names)
    passed_on = [FLOAT_IMAGE] if FLOAT_IMAGE in read else []
    has_image = NETWORK_INPUT not in input_names
    return GraphStages(
        preprocess=extract(model, input_names, [NETWORK_INPUT, *passed_on], path) if has_image else None,
        network=extract(model, [NETWORK_INPUT], RAW_OUTPUTS, path),
        postprocess=extract(model, [*RAW_OUTPUTS, *passed_on], output_names, path),
    )


def extract(model: onnx.ModelProto, inputs: Sequence[str], outputs: Sequence[str], source: Path) -> bytes:
    """The part of `model` that computes `outputs` from `inputs`, serialised.

    Unlike onnx.utils.Extractor it keeps the model-local functions, which give our own operators their meaning.
    Raises ModelFileError when the outputs depend on something else, or are not there.
    """
    onnx_module = require("onnx", "timing the stages of an ONNX file")
    helper = onnx_module.helper
    nodes, needed = _nodes_between(model.graph, set(inputs), outputs)
    known = ChainMap(*({v.name: v for v in values} for values in _value_lists(model.graph)))
    initializers = [tensor for tensor in model.graph.initializer if tensor.name in needed]
    produced = {name for node in nodes for name in node.output} | {tensor.name for tensor in initializers}
    missing = sorted((needed | set(outputs)) - produced - set(inputs))
    if missing:
        raise ModelFileError(f"{source} cannot be cut into stages: no tensor {', '.join(missing)}; export it again")
    float_type = onnx_module.TensorProto.FLOAT

    def info(name: str) -> Any:
        return known.get(name) or helper.make_tensor_value_info(name, float_type, None)

    graph = helper.make_graph(
        nodes, "stage", [info(name) for name in inputs], [info(name) for name in outputs], initializers
    )
    called = {node.domain for node in nodes}
    stage = helper.make_model(
        graph,
        functions=[function for function in model.functions if function.domain in called],
        opset_imports=model.opset_import,
        ir_version=model.ir_version,
    )
    return stage.SerializeToString()


def _nodes_between(
    graph: onnx.GraphProto, inputs: set[str], outputs: Iterable[str]
) -> tuple[list[onnx.NodeProto], set[str]]:
    """The nodes that lead from `inputs` to `outputs`, in graph order, and all names that they read."""
    producers = {name: index for index, node in enumerate(graph.node) for name in node.output if name}
    chosen: set[int] = set()
    needed: set[str] = set()
    open_names = [name for name in outputs if name not in inputs]
    while open_names:
        index = producers.get(open_names.pop())
        if index is None or index in chosen:
            continue
        chosen.add(index)
        reads = _names_read(graph.node[index])
        needed |= reads
        open_names += [name for name in reads if name not in inputs]
    return [graph.node[index] for index in sorted(chosen)], needed


def _names_read(node: onnx.NodeProto) -> set[str]:
    """Inputs of a node, and what graphs inside it (the branches of an If) read from outside."""
    names = {name for name in node.input if name}
    for attribute in node.attribute:
        for inner in (attribute.g, *attribute.graphs):
            own = {name for child in inner.node for name in child.output}
            own |= {value.name for value in inner.input} | {tensor.name for tensor in inner.initializer}
            reads = {name for child in inner.node for name in _names_read(child)}
            names |= (reads | {value.name for value in inner.output}) - own
    return names - {""}


def _value_lists(graph: onnx.GraphProto) -> tuple[Any, ...]:
    return graph.input, graph.output, graph.value_info
