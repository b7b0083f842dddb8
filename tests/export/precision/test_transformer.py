"""A Swin in other precisions: what normalises and mixes positions stays float, and the same is found."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from tests.export.precision.int8.conftest import calibrated
from tests.export.precision.rounded import tensor_types
from tests.small_swin import exported, save_weights
from yolact_deploy.export.precision.convert import convert_precision
from yolact_deploy.export.precision.int8.convert import Int8Options, convert_int8, int8_convolutions
from yolact_deploy.ops.matching import match_detections
from yolact_deploy.predictor import Predictor
from yolact_deploy.types import Image


@pytest.fixture(scope="module")
def fp32_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return exported(save_weights(tmp_path_factory.mktemp("swin")))


def found(model: onnx.ModelProto, path: Path, image: Image, runtime: str) -> tuple[np.ndarray, np.ndarray]:
    onnx.save(model, path)
    with Predictor.open(path, runtime=runtime) as predictor:
        detections = predictor(image)
    return detections.classes, detections.boxes


def assert_same_objects(fp32: Path, model: onnx.ModelProto, image: Image, folder: Path, runtime: str) -> None:
    wanted = found(onnx.load(fp32), folder / "fp32.onnx", image, "onnxruntime")
    actual = found(model, folder / "other.onnx", image, runtime)
    assert len(match_detections(*wanted, *actual)) >= 0.9 * len(wanted[0]) > 3


def test_fp16(fp32_file: Path, nano_image: Image, tmp_path: Path) -> None:
    model = convert_precision(onnx.load(fp32_file), "fp16")
    types = tensor_types(model)
    exact = [node for node in model.graph.node if node.op_type in ("LayerNormalization", "Softmax")]
    assert len(exact) > 10
    assert {types[node.output[0]] for node in exact} == {onnx.TensorProto.FLOAT}
    products = {types[node.output[0]] for node in model.graph.node if node.op_type == "MatMul"}
    assert products == {onnx.TensorProto.FLOAT16}
    assert_same_objects(fp32_file, model, nano_image, tmp_path, "onnxruntime")


@pytest.mark.parametrize("layout", ["cpu", "tensorrt"])
def test_int8(layout: str, fp32_file: Path, nano_image: Image, tmp_path: Path) -> None:
    fp32 = onnx.load(fp32_file)
    model = convert_int8(fp32, calibrated(fp32), Int8Options(layout), "small")
    done, convolutions = int8_convolutions(model)
    assert done == convolutions - 1  # the one that makes positions of pixels
    rounded = {node.output[0] for node in model.graph.node if node.op_type == "DequantizeLinear"}
    for node in model.graph.node:
        if node.op_type in ("MatMul", "LayerNormalization", "Gelu", "Softmax"):
            assert not rounded & set(node.input), node.name
    assert_same_objects(fp32_file, model, nano_image, tmp_path, "onnxruntime")
    if layout == "cpu":
        pytest.importorskip("openvino")
        assert_same_objects(fp32_file, model, nano_image, tmp_path, "openvino")


def test_openvino_runs_it(fp32_file: Path, nano_image: Image, tmp_path: Path) -> None:
    pytest.importorskip("openvino")
    assert_same_objects(fp32_file, onnx.load(fp32_file), nano_image, tmp_path, "openvino")
