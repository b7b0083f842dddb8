"""The operator domain `yolact` in a graph: versions and attributes of its nodes, and the form of their functions.

Each node carries its meaning as a model-local function in standard operators (`fast_nms.py`, `mask_assembly.py`);
`postprocess.py` says the same in PyTorch, and the tests hold the two together on hard cases. A function is written for
one configuration: thresholds and counts are constants in its body and, for plugins, attributes of the node; the
exporter writes both from the same `PostprocessConfig`.

Traps that shape the bodies: coordinates are kept apart, because an operator that broadcasts over a trailing dimension
of 2 or 4 is many times slower on a CPU; TopK instead of sorting, and sentinels instead of boolean indexing, because
TensorRT wants static shapes; constants as tensors, because ONNX Runtime up to 1.23 cannot infer the shapes of a
function whose TopK takes its K from a `value_ints` attribute.
"""

from __future__ import annotations

from collections.abc import Mapping

import onnx

from yolact_deploy.artifacts.operators import DOMAIN, PLUGIN_VERSION

DOMAIN_VERSION = 1
OPSET = 20  # of the standard operators: TensorRT 10.0 reads up to 20
PLUGIN_ATTRIBUTES = {"plugin_version": PLUGIN_VERSION, "plugin_namespace": DOMAIN}


def parse_function(name: str, signature: str, body: str) -> onnx.FunctionProto:
    """A function of this domain from ONNX's text form; every node is named after it and its first output."""
    function = onnx.parser.parse_function(
        f'<opset_import: ["" : {OPSET}], domain: "{DOMAIN}">\n{name} {signature}\n{{\n{body}\n}}'
    )
    for node in function.node:
        node.name = f"{name}/{node.output[0]}"
    return function


def inlined(function: onnx.FunctionProto, tensors: Mapping[str, str], prefix: str) -> list[onnx.NodeProto]:
    """The body of `function` as nodes of a graph, named after `prefix`.

    tensors: the function's inputs and outputs by their names in the graph; all else is called PREFIX/NAME there.
    """

    def name_of(name: str) -> str:
        return tensors.get(name, f"{prefix}/{name}") if name else name

    nodes = []
    for inner in function.node:
        node = onnx.NodeProto()
        node.CopyFrom(inner)
        node.name = f"{prefix}/{inner.output[0]}"
        node.input[:] = map(name_of, inner.input)
        node.output[:] = map(name_of, inner.output)
        nodes.append(node)
    return nodes
