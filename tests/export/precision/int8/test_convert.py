"""int8 files: what changes in the graph, what must not, and that they still find the same objects."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto

from tests.export.precision.int8.conftest import PICTURES, calibrated
from tests.export.precision.rounded import tensor_types
from yolact_deploy.artifacts.metadata import ModelMetadata
from yolact_deploy.artifacts.onnx_file import metadata_of, props_of
from yolact_deploy.artifacts.quantization import Quantization, is_quantised, layout_of
from yolact_deploy.export.precision.convert import convert_precision
from yolact_deploy.export.precision.int8.convert import Int8Options, convert_int8, int8_convolutions
from yolact_deploy.export.precision.int8.network_part import cut_network, with_network
from yolact_deploy.export.precision.int8.quantise import position_nodes
from yolact_deploy.export.precision.int8.stages import stage_names
from yolact_deploy.export.precision.int8.statistics import Statistics
from yolact_deploy.ops.matching import match_detections
from yolact_deploy.runtimes.onnxruntime import OnnxRuntime
from yolact_deploy.types import Image

VARIANTS = {
    "cpu": Int8Options(),
    "cpu, conf kept": Int8Options(kept=("conf",)),
    "tensorrt": Int8Options("tensorrt"),
    "tensorrt with fp16": Int8Options("tensorrt", rest="fp16"),
    "yolact-edge": Int8Options("tensorrt", rest="fp16", recipe="yolact-edge"),
}


@pytest.fixture(scope="module")
def models(fp32: onnx.ModelProto, statistics: Statistics) -> dict[str, onnx.ModelProto]:
    return {name: convert_int8(fp32, statistics, options, "nano") for name, options in VARIANTS.items()}


def quantising_types(model: onnx.ModelProto) -> set[int]:
    """Element types of all zero points."""
    types = {tensor.name: tensor.data_type for tensor in model.graph.initializer}
    return {types[node.input[2]] for node in model.graph.node if node.op_type == "QuantizeLinear"}


def test_network_can_be_cut_out_and_put_back(fp32: onnx.ModelProto) -> None:
    same = with_network(fp32, cut_network(fp32, "nano"), "nano")
    assert [node.SerializeToString() for node in same.graph.node] == [
        node.SerializeToString() for node in fp32.graph.node
    ]
    assert {tensor.name for tensor in same.graph.initializer} == {tensor.name for tensor in fp32.graph.initializer}


@pytest.mark.parametrize("name", VARIANTS)
def test_what_surrounds_the_network_is_as_it_was(
    fp32: onnx.ModelProto, models: dict[str, onnx.ModelProto], name: str
) -> None:
    model = models[name]
    assert list(model.functions) == list(fp32.functions)
    assert (list(model.graph.input), list(model.graph.output)) == (list(fp32.graph.input), list(fp32.graph.output))
    outside = [[node for node in each.graph.node if not node.name.startswith("network/")] for each in (fp32, model)]
    assert outside[0] == outside[1]
    assert outside[0][-1].domain == "yolact"
    new, old = props_of(model), props_of(fp32)
    assert old.items() - new.items() == {("yolact_deploy.precision", "fp32")}
    assert new["yolact_deploy.precision"] == "int8"


@pytest.mark.parametrize(
    ("name", "count"), [("cpu", 62), ("cpu, conf kept", 57), ("tensorrt", 62), ("yolact-edge", 34)]
)
def test_convolutions_that_are_int8(models: dict[str, onnx.ModelProto], name: str, count: int) -> None:
    """Of 62: the FPN's, and the heads' on five levels, stay float where the recipe says so."""
    assert int8_convolutions(models[name]) == (count, 62)


def test_layouts(models: dict[str, onnx.ModelProto]) -> None:
    assert {name: layout_of(model) for name, model in models.items()} == {
        name: options.layout for name, options in VARIANTS.items()
    }
    assert quantising_types(models["cpu"]) == {TensorProto.UINT8}
    for name in ("tensorrt", "tensorrt with fp16"):
        model = models[name]
        assert quantising_types(model) == {TensorProto.INT8}
        weights = {tensor.name: tensor for tensor in model.graph.initializer}
        for node in model.graph.node:
            if node.op_type in ("QuantizeLinear", "DequantizeLinear"):
                assert not onnx.numpy_helper.to_array(weights[node.input[2]]).any()  # symmetric
                assert weights.get(node.input[0], weights[node.input[2]]).data_type == TensorProto.INT8  # no int32 bias


def test_weights_are_quantised_per_channel(models: dict[str, onnx.ModelProto]) -> None:
    weights = {tensor.name: tensor for tensor in models["cpu"].graph.initializer}
    for node in models["cpu"].graph.node:
        if node.op_type == "DequantizeLinear" and node.input[0] in weights and "weight" in node.input[0]:
            assert list(weights[node.input[1]].dims) == [weights[node.input[0]].dims[0]]


def test_what_is_not_int8_is_half_where_that_is_asked_for(models: dict[str, onnx.ModelProto]) -> None:
    for name in ("tensorrt with fp16", "yolact-edge"):
        model = models[name]
        types = tensor_types(model)
        for node in model.graph.node:
            if node.op_type == "Conv":
                assert {types[tensor] for tensor in (*node.input, *node.output)} == {TensorProto.FLOAT16}
            if node.op_type in ("Softmax", "Tanh"):
                assert {types[tensor] for tensor in (*node.input, *node.output)} == {TensorProto.FLOAT}


@pytest.mark.parametrize("name", VARIANTS)
def test_finds_the_same_objects(
    models: dict[str, onnx.ModelProto], nano_onnx: Path, tmp_path: Path, nano_image: Image, name: str
) -> None:
    path = tmp_path / "int8.onnx"
    onnx.save(models[name], path)
    expected, found = (OnnxRuntime(each, "cpu", 1).detect([nano_image])[0].above(0.3) for each in (nano_onnx, path))
    assert len(expected) >= 5
    assert len(match_detections(expected.classes, expected.boxes, found.classes, found.boxes)) == len(expected)


def test_file_says_how_it_was_made(models: dict[str, onnx.ModelProto]) -> None:
    found = metadata_of(models["cpu, conf kept"], "nano")
    assert found.quantization == Quantization("cpu", "minmax", PICTURES, "nano", "fp32", ("conf",))
    assert ModelMetadata.from_props(found.to_props(), "nano") == found
    edge = metadata_of(models["yolact-edge"], "nano").quantization
    assert edge is not None
    assert edge.kept == ("P3", "P4", "P5", "P6", "P7", "loc", "conf", "coef")


def test_nodes_tell_the_precision(fp32: onnx.ModelProto, models: dict[str, onnx.ModelProto]) -> None:
    assert all(map(is_quantised, models.values()))
    assert not is_quantised(fp32)
    assert not is_quantised(convert_precision(fp32, "fp16"))


def test_the_model_that_is_given_is_not_changed(fp32: onnx.ModelProto, statistics: Statistics) -> None:
    before = fp32.SerializeToString(deterministic=True)
    convert_int8(fp32, statistics, Int8Options(), "nano")
    assert fp32.SerializeToString(deterministic=True) == before


@pytest.mark.parametrize("layout", ["cpu", "tensorrt"])
@pytest.mark.parametrize("form", ["gridsample", "onnx"])
def test_offsets_and_mask_scores_of_yolact_plus_stay_float(
    plus_models: dict[str, onnx.ModelProto], form: str, layout: str
) -> None:
    source = plus_models[form]
    model = convert_int8(source, calibrated(source), Int8Options(layout), "plus")
    nodes = {node.name: node for node in model.graph.node}
    types = tensor_types(model)
    learned = [nodes[name] for name in position_nodes(cut_network(source, "plus")) if nodes[name].op_type == "Conv"]
    assert len(learned) == 6  # one a deformable layer
    assert {types[node.input[1]] for node in learned} == {TensorProto.FLOAT}
    weights = {tensor.name for tensor in model.graph.initializer}
    assert all(node.input[1] in weights for node in learned)  # as they were: not even rounded
    quantised = {name for node in model.graph.node if node.op_type == "QuantizeLinear" for name in node.input[:1]}
    positions = {"GridSample": 1, "DeformConv": 2}
    read = {node.input[positions[node.op_type]] for node in model.graph.node if node.op_type in positions}
    assert read
    assert not read & quantised
    assert not {name for name in quantised if name.startswith("postprocess/")}


def test_batches_of_any_size(nano_dynamic_onnx: Path, tmp_path: Path, nano_image: Image) -> None:
    model = onnx.load(nano_dynamic_onnx)
    path = tmp_path / "int8.onnx"
    onnx.save(convert_int8(model, calibrated(model), Int8Options(), "nano"), path)
    runtime = OnnxRuntime(path, "cpu", 1)
    images = [nano_image, np.ascontiguousarray(nano_image[:, ::-1])]
    for together, image in zip(runtime.detect(images), images, strict=True):
        np.testing.assert_allclose(together.boxes, runtime.detect([image])[0].boxes, rtol=0, atol=1e-5)


def test_stages_that_can_be_kept_are_those_of_compare(fp32: onnx.ModelProto) -> None:
    names = stage_names(metadata_of(fp32, "nano").config)
    assert names == ("C3", "C4", "C5", "P3", "P4", "P5", "P6", "P7", "proto", "loc", "conf", "coef")
