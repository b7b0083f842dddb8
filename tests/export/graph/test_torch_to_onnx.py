"""The exported file: contract, agreement with PyTorch, batches, and refusals."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnx.inliner
import onnxruntime as ort
import pytest

from tests.conftest import NANO, NANO_WEIGHTS, seeded_state_dict
from yolact_deploy.artifacts.metadata import ModelMetadata
from yolact_deploy.config.model import ModelConfig
from yolact_deploy.config.postprocess import PostprocessConfig
from yolact_deploy.errors import CheckpointError, ConfigError, ImageError, OutputError
from yolact_deploy.export.graph import check as check_module
from yolact_deploy.export.graph.torch_to_onnx import ExportOptions, ExportResult, export_onnx
from yolact_deploy.files import sha256_of
from yolact_deploy.images import read_image
from yolact_deploy.predictor import Predictor
from yolact_deploy.types import Detections, Image

OUTPUT_SHAPES = {
    "boxes": [1, 100, 4],
    "scores": [1, 100],
    "classes": [1, 100],
    "masks": [1, 100, 64, 64],
    "num_detections": [1],
}


def dims(value: onnx.ValueInfoProto) -> list[int | str]:
    return [dim.dim_param or dim.dim_value for dim in value.type.tensor_type.shape.dim]


def assert_same(first: Detections, second: Detections) -> None:
    np.testing.assert_array_equal(first.classes, second.classes)
    np.testing.assert_allclose(first.scores, second.scores, atol=1e-5)
    np.testing.assert_allclose(first.boxes, second.boxes, atol=1)
    assert np.count_nonzero(first.masks ^ second.masks) <= 1e-4 * max(first.masks.size, 1)


def test_contract_of_the_graph(nano_onnx: Path) -> None:
    model = onnx.load(nano_onnx)
    onnx.checker.check_model(model, full_check=True)
    (graph_input,) = model.graph.input
    assert (graph_input.name, dims(graph_input)) == ("image", [1, "H", "W", 3])
    assert graph_input.type.tensor_type.elem_type == onnx.TensorProto.UINT8
    assert {output.name: dims(output) for output in model.graph.output} == OUTPUT_SHAPES
    assert {opset.domain: opset.version for opset in model.opset_import} == {"": 20, "yolact": 1}
    assert model.graph.node[0].op_type == "Cast"  # TensorRT takes uint8 nowhere else
    domain_nodes = [node for node in model.graph.node if node.domain == "yolact"]
    assert [node.op_type for node in domain_nodes] == ["YolactFastNMS", "YolactMaskAssembly"]
    assert [function.name for function in model.functions] == ["YolactFastNMS", "YolactMaskAssembly"]
    attributes = {a.name: onnx.helper.get_attribute_value(a) for a in domain_nodes[0].attribute}
    assert attributes == {
        "score_threshold": pytest.approx(0.05), "iou_threshold": 0.5, "top_k": 200, "max_detections": 100,
        "cross_class": 0, "plugin_version": b"1", "plugin_namespace": b"yolact",
    }  # fmt: skip
    assert not any(node.doc_string or node.metadata_props for node in model.graph.node)


def test_inlined_it_has_standard_operators_only(nano_onnx: Path) -> None:
    inlined = onnx.inliner.inline_local_functions(onnx.load(nano_onnx))
    assert {node.domain for node in inlined.graph.node} == {""}
    session = ort.InferenceSession(inlined.SerializeToString(), providers=["CPUExecutionProvider"])
    assert {output.name for output in session.get_outputs()} == set(OUTPUT_SHAPES)


def test_metadata_says_all_that_a_consumer_needs(nano_export: ExportResult) -> None:
    props = {entry.key: entry.value for entry in onnx.load(nano_export.path).metadata_props}
    metadata = ModelMetadata.from_props(props, nano_export.path)
    assert metadata == nano_export.metadata
    assert metadata.config == ModelConfig.named("yolact_nano")
    assert metadata.checkpoint_sha256 == sha256_of(NANO_WEIGHTS)
    assert json.loads(props["yolact_deploy.class_names"])[3] == "star"


def test_the_check_passes_and_counts(nano_export: ExportResult) -> None:
    check = nano_export.check
    assert check.passed
    assert check.reference_count == check.exported_count == check.matched == 36
    assert set(check.differences) == {"loc", "conf", "coef", "proto", "boxes", "scores", "masks"}
    assert 0 < check.differences["conf"] < 1e-4


@pytest.mark.parametrize(
    "change", [{"differences": {"loc": 2.0}}, {"differences": {"loc": float("nan")}}, {"matched": 35}]
)
def test_the_check_can_fail(nano_export: ExportResult, change: dict) -> None:
    assert not replace(nano_export.check, **{"tolerances": {"loc": 1.0}, "differences": {"loc": 0.5}} | change).passed


def test_a_failed_check_keeps_the_file_under_a_telling_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check_module, "EXPORT_RAW", 0.0)
    result = export_onnx(NANO_WEIGHTS, ExportOptions(tmp_path / "nano.onnx"))
    assert not result.check.passed
    assert result.path == tmp_path / "nano.failed-check.onnx"
    assert [path.name for path in tmp_path.iterdir()] == ["nano.failed-check.onnx"]


def test_onnx_equals_pytorch_on_the_data_set(nano_onnx: Path) -> None:
    with Predictor.open(NANO_WEIGHTS) as reference, Predictor.open(nano_onnx, device="cpu") as exported:
        for path in sorted((NANO / "images").iterdir())[:12]:
            image = read_image(path)
            assert_same(exported(image), reference(image))


@pytest.fixture(scope="module")
def four_images(nano_image: Image) -> list[Image]:
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 255, nano_image.shape, np.uint8)
    return [nano_image, nano_image[:, ::-1], noise, np.zeros_like(nano_image)]


def test_dynamic_batch_equals_single_images(nano_onnx: Path, nano_dynamic_onnx: Path, four_images: list[Image]) -> None:
    with Predictor.open(nano_onnx) as single, Predictor.open(nano_dynamic_onnx) as dynamic:
        expected = [single(image) for image in four_images]
        for first, second in zip(dynamic.batch(four_images), expected, strict=True):
            assert_same(first, second)
        assert_same(dynamic(four_images[0]), expected[0])
        assert len(expected[0]) > len(expected[3])


def test_batch_4_equals_single_images(tmp_path: Path, nano_onnx: Path, four_images: list[Image]) -> None:
    four = export_onnx(NANO_WEIGHTS, ExportOptions(tmp_path / "four.onnx", batch=4))
    assert four.check.passed
    with Predictor.open(nano_onnx) as single, Predictor.open(four.path) as batched:
        expected = [single(image) for image in four_images]
        for count in (4, 3, 1):  # an incomplete batch is filled up
            for first, second in zip(batched.batch(four_images[:count]), expected, strict=False):
                assert_same(first, second)


def test_tensor_input_and_other_thresholds(tmp_path: Path, nano_image: Image) -> None:
    postprocess = PostprocessConfig(score_threshold=0.3, iou_threshold=0.3, top_k=50, max_detections=10)
    options = ExportOptions(tmp_path / "tensor.onnx", input_kind="tensor", postprocess=postprocess)
    result = export_onnx(NANO_WEIGHTS, options)
    model = onnx.load(result.path)
    assert (model.graph.input[0].name, dims(model.graph.input[0])) == ("network_input", [1, 3, 256, 256])
    with Predictor.open(result.path) as exported, Predictor.open(NANO_WEIGHTS, postprocess=postprocess) as reference:
        assert_same(exported(nano_image), reference(nano_image))


def test_cross_class(tmp_path: Path, nano_image: Image) -> None:
    postprocess = PostprocessConfig(cross_class=True)
    result = export_onnx(NANO_WEIGHTS, ExportOptions(tmp_path / "cross.onnx", postprocess=postprocess))
    assert dims(onnx.load(result.path).graph.output[1]) == [1, 200]
    with Predictor.open(result.path) as exported, Predictor.open(NANO_WEIGHTS, postprocess=postprocess) as reference:
        assert_same(exported(nano_image), reference(nano_image))


@pytest.mark.parametrize(("kind", "depths"), [("darknet", [1, 1, 1, 1, 1]), ("mobilenetv2", [1, 1, 2, 1, 1, 1])])
def test_other_backbones_and_a_users_own_variant(tmp_path: Path, kind: str, depths: list[int]) -> None:
    import torch

    fields = {"base": "yolact_nano", "backbone": {"kind": kind, "depths": depths, "width": 16},
              "image_size": 100, "num_classes": 3, "aspect_ratios": [1, 0.5], "square_anchors": False}  # fmt: skip
    config = ModelConfig.from_dict(fields)
    torch.save(seeded_state_dict(config), tmp_path / "mine.pth")
    result = export_onnx(
        tmp_path / "mine.pth", ExportOptions(tmp_path / "mine.onnx", config=config, class_names=("a", "b", "c"))
    )
    assert result.check.passed
    assert result.check.reference_count > 0
    assert result.metadata.config.class_names == ("a", "b", "c")


def test_refusals_leave_nothing_behind(tmp_path: Path) -> None:
    output = tmp_path / "out" / "model.onnx"
    with pytest.raises(CheckpointError, match="No such file"):
        export_onnx(tmp_path / "missing.pth", ExportOptions(output))
    with pytest.raises(ConfigError, match="2 class names given, the model has 6 classes"):
        export_onnx(NANO_WEIGHTS, ExportOptions(output, class_names=("a", "b")))
    with pytest.raises(ConfigError, match="unknown input 'video'"):
        export_onnx(NANO_WEIGHTS, ExportOptions(output, input_kind="video"))
    with pytest.raises(ConfigError, match="batch 0"):
        export_onnx(NANO_WEIGHTS, ExportOptions(output, batch=0))
    with pytest.raises(ImageError, match="cannot read image"):
        export_onnx(NANO_WEIGHTS, ExportOptions(output, check_image=tmp_path / "no.jpg"))
    assert list(output.parent.glob("*")) == []


def test_an_existing_file_is_not_replaced_without_force(tmp_path: Path) -> None:
    output = tmp_path / "model.onnx"
    output.write_text("precious")
    with pytest.raises(OutputError, match="exists: pass --force"):
        export_onnx(NANO_WEIGHTS, ExportOptions(output))
    assert output.read_text() == "precious"
    with pytest.raises(OutputError, match="cannot write into"):
        export_onnx(NANO_WEIGHTS, ExportOptions(output / "below-a-file" / "model.onnx"))
