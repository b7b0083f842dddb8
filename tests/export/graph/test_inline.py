"""`export --inline`: standard operators only, run by others with equal results; and norms that are folded away."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from tests.conftest import NANO_WEIGHTS
from yolact_deploy.artifacts.outputs import OUTPUT_NAMES
from yolact_deploy.errors import AssumptionWarning
from yolact_deploy.export.graph.fold_norm import fold_norms
from yolact_deploy.export.graph.torch_to_onnx import ExportOptions, ExportResult, export_onnx
from yolact_deploy.runtimes.onnxruntime import OnnxRuntime
from yolact_deploy.types import Image


@pytest.fixture(scope="module")
def inlined(tmp_path_factory: pytest.TempPathFactory) -> ExportResult:
    output = tmp_path_factory.mktemp("inline") / "nano.onnx"
    with pytest.warns(AssumptionWarning, match="nothing to attach to"):
        return export_onnx(NANO_WEIGHTS, ExportOptions(output, inline=True))


def assert_equal_outputs(found: dict[str, np.ndarray], path: Path, image: Image) -> None:
    expected = OnnxRuntime(path, "cpu", 1).run(image[None])
    assert expected["num_detections"][0] > 5
    for name in OUTPUT_NAMES:
        np.testing.assert_allclose(found[name], expected[name], rtol=0, atol=1e-4)


def test_standard_operators_only(inlined: ExportResult, nano_onnx: Path, nano_image: Image) -> None:
    model = onnx.load(inlined.path)
    assert not model.functions
    assert {node.domain for node in model.graph.node} == {""}
    assert {entry.domain for entry in model.opset_import} == {""}
    assert_equal_outputs(OnnxRuntime(inlined.path, "cpu", 1).run(nano_image[None]), nano_onnx, nano_image)


def test_opencv_runs_it(inlined: ExportResult, nano_onnx: Path, nano_image: Image) -> None:
    if int(cv2.__version__.split(".")[0]) < 5:
        pytest.skip("OpenCV before 5 lacks operators of it")
    network = cv2.dnn.readNetFromONNX(str(inlined.path))
    network.setInput(np.ascontiguousarray(nano_image[None]))
    found = dict(zip(OUTPUT_NAMES, network.forward(list(OUTPUT_NAMES)), strict=True))
    assert_equal_outputs(found, nano_onnx, nano_image)


def test_openvino_runs_it(inlined: ExportResult, nano_onnx: Path, nano_image: Image) -> None:
    openvino = pytest.importorskip("openvino", reason="needs OpenVINO: the extra openvino")
    exact = {"INFERENCE_PRECISION_HINT": "f32"}
    compiled = openvino.Core().compile_model(str(inlined.path), "CPU", exact)
    found = compiled({"image": nano_image[None]})
    assert_equal_outputs({name: found[name] for name in OUTPUT_NAMES}, nano_onnx, nano_image)


def deformable(with_second_reader: bool = False) -> onnx.ModelProto:
    """A deformable convolution with a norm behind it, numbers by chance."""
    random = np.random.default_rng(9)
    values = {
        "w": random.normal(size=(4, 3, 3, 3)),
        "b": random.normal(size=4),
        "offset": random.normal(size=(1, 18, 6, 6)),
        "scale": random.uniform(0.5, 2, 4),
        "shift": random.normal(size=4),
        "mean": random.normal(size=4),
        "variance": random.uniform(0.1, 3, 4),
    }
    nodes = [
        helper.make_node("DeformConv", ["x", "w", "offset", "b"], ["y"], kernel_shape=[3, 3]),
        helper.make_node("BatchNormalization", ["y", "scale", "shift", "mean", "variance"], ["z"], epsilon=1e-3),
    ]
    outputs = [helper.make_tensor_value_info("z", TensorProto.FLOAT, [1, 4, 6, 6])]
    if with_second_reader:
        nodes.append(helper.make_node("Relu", ["y"], ["other"]))
        outputs.append(helper.make_tensor_value_info("other", TensorProto.FLOAT, [1, 4, 6, 6]))
    graph = helper.make_graph(
        nodes,
        "deformable",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 8, 8])],
        outputs,
        [numpy_helper.from_array(value.astype(np.float32), name) for name, value in values.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


def test_norms_are_folded_into_deformable_convolutions() -> None:
    import onnxruntime as ort

    model = deformable()
    x = np.random.default_rng(10).normal(size=(1, 3, 8, 8)).astype(np.float32)
    (expected,) = ort.InferenceSession(model.SerializeToString()).run(None, {"x": x})
    fold_norms(model.graph)
    assert [node.op_type for node in model.graph.node] == ["DeformConv"]
    assert {tensor.name for tensor in model.graph.initializer} == {"w", "b", "offset"}
    (found,) = ort.InferenceSession(model.SerializeToString()).run(None, {"x": x})
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)


def test_a_norm_that_is_not_the_only_reader_stays() -> None:
    model = deformable(with_second_reader=True)
    before = model.SerializeToString(deterministic=True)
    fold_norms(model.graph)
    assert model.SerializeToString(deterministic=True) == before


def test_no_norm_is_left_in_yolact_plus(plus_exports: dict[str, ExportResult]) -> None:
    for result in plus_exports.values():
        assert all(node.op_type != "BatchNormalization" for node in onnx.load(result.path).graph.node)
