"""The network of an exported graph: cut out, and put back between the nodes around it."""

from __future__ import annotations

import onnx
import onnx.utils

from yolact_deploy.artifacts.tensor_names import NETWORK_INPUT, RAW_OUTPUTS
from yolact_deploy.errors import ModelFileError
from yolact_deploy.export.precision.rules import NETWORK_PREFIX


def cut_network(model: onnx.ModelProto, source: object) -> onnx.ModelProto:
    """The network alone: NETWORK_INPUT [B,3,S,S] -> RAW_OUTPUTS. `source` names `model` in errors.

    Raises ModelFileError when the graph has no such tensors.
    """
    try:
        return onnx.utils.Extractor(model).extract_model([NETWORK_INPUT], list(RAW_OUTPUTS))
    except (KeyError, ValueError, onnx.checker.ValidationError):
        raise ModelFileError(
            f"{source} cannot be cut at {NETWORK_INPUT} and {', '.join(RAW_OUTPUTS)}: export it again"
        ) from None


def with_network(model: onnx.ModelProto, network: onnx.ModelProto, source: object) -> onnx.ModelProto:
    """A copy of `model` with `network` in the place of its own; functions, metadata and all other nodes survive.

    Nodes of `network` get names that begin with NETWORK_PREFIX. Raises as `cut_network`.
    """
    replaced = {name for node in cut_network(model, source).graph.node for name in node.output if name}
    first = next(index for index, node in enumerate(model.graph.node) if node.output[0] in replaced)
    before, after = (
        [node for node in part if node.output[0] not in replaced]
        for part in (model.graph.node[:first], model.graph.node[first:])
    )
    result = onnx.ModelProto()
    result.CopyFrom(model)
    graph = result.graph
    del graph.node[:], graph.initializer[:]
    graph.node.extend([*before, *map(_named, network.graph.node), *after])
    read = {name for node in (*before, *after) for name in node.input}
    own = {tensor.name for tensor in network.graph.initializer}
    graph.initializer.extend(network.graph.initializer)
    graph.initializer.extend(
        tensor for tensor in model.graph.initializer if tensor.name in read and tensor.name not in own
    )
    return result


def _named(node: onnx.NodeProto) -> onnx.NodeProto:
    copy = onnx.NodeProto()
    copy.CopyFrom(node)
    copy.name = node.name if node.name.startswith(NETWORK_PREFIX) else f"{NETWORK_PREFIX}{node.name}"
    return copy
