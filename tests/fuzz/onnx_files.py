"""An exported file of a tiny network with other nodes, functions, weights, metadata and bytes."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import onnx
from hypothesis import strategies as st
from onnx import TensorProto

from tests.conftest import DATA
from tests.fuzz.mutations import HARD_NUMBERS, HARD_TEXTS, damaged, plain_values
from yolact_deploy.artifacts.onnx_file import props_of, read_exported
from yolact_deploy.errors import YolactDeployError
from yolact_deploy.inspection.model_file import inspect_file
from yolact_deploy.predictor import Predictor

BASE = onnx.load(DATA / "version_0_1_0/tiny.onnx")
TEXTS = tuple(text for text in HARD_TEXTS if text != "\ud800")
SIZES = tuple(number for number in HARD_NUMBERS if isinstance(number, int) and -(2**63) <= number < 2**63)
OPERATORS = ("Identity", "QuantizeLinear", "Loop", "If", "YolactFastNMS", "YolactMaskAssembly", "NoSuchOperator", "")
KINDS = ("props", "props", "node", "node", "function", "call", "weight", "external", "output", "input", "opset")


@st.composite
def onnx_files(draw: st.DrawFn) -> bytes:
    """Bytes of an .onnx file that is almost right."""
    model = onnx.ModelProto()
    model.CopyFrom(BASE)
    for _ in range(draw(st.integers(0, 3))):
        _change(draw, model, draw(st.sampled_from(KINDS)))
    data = model.SerializeToString()
    return draw(damaged(data)) if draw(st.sampled_from((False, False, True))) else data


def _change(draw: st.DrawFn, model: onnx.ModelProto, kind: str) -> None:
    graph = model.graph
    if kind == "props":
        props: dict[str, Any] = props_of(model)
        key = draw(st.sampled_from(sorted(props)))
        if key.endswith(("config", "postprocess")) and props[key].startswith("{"):
            props[key] = json.dumps(draw(plain_values(json.loads(props[key]))))
        else:
            props[key] = draw(st.sampled_from(TEXTS))
        onnx.helper.set_model_props(model, props)
    elif kind == "node":
        node = graph.node[draw(st.integers(0, len(graph.node) - 1))]
        node.op_type = draw(st.sampled_from(OPERATORS))
        node.domain = draw(st.sampled_from(("", "yolact", "com.microsoft")))
    elif kind == "function":
        body = model.functions[draw(st.integers(0, len(model.functions) - 1))]
        body.name = draw(st.sampled_from(OPERATORS))
    elif kind == "call":  # one function from another, or from itself
        body = model.functions[draw(st.integers(0, len(model.functions) - 1))]
        other = draw(st.sampled_from(list(model.functions)))
        body.node.add(op_type=other.name, domain=other.domain, input=body.input, output=["more"])
    elif kind == "weight":
        tensor = graph.initializer[draw(st.integers(0, len(graph.initializer) - 1))]
        tensor.dims[:] = draw(st.lists(st.sampled_from(SIZES), max_size=5))
        tensor.data_type = draw(st.sampled_from((1, 2, 7, 10, 16, 99, tensor.data_type)))
    elif kind == "external":
        tensor = graph.initializer[0]
        tensor.data_location = TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value=draw(st.sampled_from((*TEXTS, "../../etc/passwd"))))
    elif kind == "output":
        del graph.output[draw(st.integers(0, len(graph.output))) :]
    elif kind == "input":
        shape = graph.input[0].type.tensor_type.shape
        for size in shape.dim:
            size.dim_value = draw(st.sampled_from(SIZES))
    else:
        del model.opset_import[draw(st.integers(0, len(model.opset_import))) :]


def open_everywhere(path: Path) -> None:
    """As `inspect` does, then as the runtime and the converters, which refuse more."""
    inspect_file(path)
    with contextlib.suppress(YolactDeployError):
        read_exported(path)
    with Predictor.open(path, device="cpu", threads=1):
        pass
