"""`build-engine --debug-outputs`: the stages inside the network as outputs, so that `compare` can look into an engine.

Done in the graph that the parser gets, so that every TensorRT from 10.3 on takes it alike. An engine is slower for it:
its layers cannot be fused across an output.
"""

from __future__ import annotations

import onnx
from onnx import TensorProto, helper

from yolact_deploy.artifacts.tensor_names import NETWORK_INPUT, feature_names, tensor_stages
from yolact_deploy.config.model import ModelConfig
from yolact_deploy.errors import ModelFileError


def add_debug_outputs(model: onnx.ModelProto, config: ModelConfig, source: object) -> None:
    """Give `model`, an exported file, its stages as float32 outputs under their own names, in place.

    A stage that is computed in half precision is renamed to NAME/inner and cast. Raises ModelFileError, with `source`
    for the file's name, when it was exported before its stages had names.
    """
    written = {name for node in model.graph.node for name in node.output}
    missing = [name for name in feature_names(config) if name not in written]
    if missing:
        raise ModelFileError(f"{source} names no tensors {', '.join(missing)}: export it again for --debug-outputs")
    inferred = onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True, data_prop=True).graph
    values = {value.name: value for value in (*inferred.value_info, *inferred.output)}
    for name in tensor_stages(config):
        if name == NETWORK_INPUT and name not in written:
            continue  # the graph's own input
        tensor = values[name].type.tensor_type
        if tensor.elem_type != TensorProto.FLOAT:
            _insert_cast(model.graph, name)
        output = onnx.ValueInfoProto()
        output.CopyFrom(values[name])
        output.type.tensor_type.elem_type = TensorProto.FLOAT
        model.graph.output.append(output)


def _insert_cast(graph: onnx.GraphProto, name: str) -> None:
    """Let `name` be a float32 copy of what it was, which all nodes go on to use as NAME/inner."""
    inner = f"{name}/inner"
    for node in graph.node:
        for names in (node.input, node.output):
            for slot, used in enumerate(names):
                if used == name:
                    names[slot] = inner
    for index in reversed(range(len(graph.value_info))):
        if graph.value_info[index].name == name:
            del graph.value_info[index]
    graph.node.append(helper.make_node("Cast", [inner], [name], name=f"debug/{name}", to=TensorProto.FLOAT))
