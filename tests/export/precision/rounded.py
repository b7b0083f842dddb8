"""What a GPU computes from a half-precision file, on a CPU: every tensor of it rounded as soon as it exists.

ONNX Runtime has no half-precision convolution for the CPU. It casts fp16 weights back and leaves many activations in
float32 between two nodes, so it rounds less than a GPU does, and bf16 it does not run at all.
"""

from __future__ import annotations

import onnx
from onnx import TensorProto, helper, numpy_helper

HALF = (TensorProto.FLOAT16, TensorProto.BFLOAT16)


def tensor_types(model: onnx.ModelProto) -> dict[str, int]:
    """Element types of all tensors of the main graph, by name."""
    graph = onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True).graph
    types = {value.name: value.type.tensor_type.elem_type for value in (*graph.value_info, *graph.input, *graph.output)}
    return types | {tensor.name: tensor.data_type for tensor in graph.initializer}


def round_everything(model: onnx.ModelProto) -> onnx.ModelProto:
    """A float32 copy of a half-precision `model` in which each half-precision tensor passes a Cast there and back."""
    types = tensor_types(model)
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    for tensor in copy.graph.initializer:
        if tensor.data_type in HALF:
            values = numpy_helper.to_array(tensor).astype("float32")
            tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
    nodes = []
    for node in model.graph.node:
        rounded = onnx.NodeProto()
        rounded.CopyFrom(node)
        casts = []
        for slot, name in enumerate(node.output):
            if types.get(name) in HALF:
                rounded.output[slot] = f"{name}/exact"
                casts.append(helper.make_node("Cast", [f"{name}/exact"], [f"{name}/half"], to=types[name]))
                casts.append(helper.make_node("Cast", [f"{name}/half"], [name], to=TensorProto.FLOAT))
        if node.op_type == "Cast" and casts:
            rounded.op_type = "Identity"
            rounded.ClearField("attribute")
        nodes += [rounded, *casts]
    del copy.graph.node[:], copy.graph.value_info[:]
    copy.graph.node.extend(nodes)
    return copy
