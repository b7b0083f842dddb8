"""YOLACT++ exported: both forms of the deformable convolution, mask scores, batches, half precision, refusals."""

from __future__ import annotations

import collections
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from tests.conftest import PLUS_NANO_WEIGHTS, seeded_state_dict
from tests.export.graph.test_torch_to_onnx import assert_same, dims
from yolact_deploy.artifacts.metadata import DEFORM_CONV_FORMS
from yolact_deploy.checkpoints.reader import load_checkpoint
from yolact_deploy.config.model import ModelConfig
from yolact_deploy.config.postprocess import PostprocessConfig
from yolact_deploy.errors import ConfigError, ModelFileError
from yolact_deploy.export.engine.build import build_engine
from yolact_deploy.export.engine.options import EngineOptions
from yolact_deploy.export.graph import deform_conv as deform_conv_module
from yolact_deploy.export.graph.deform_conv import chosen_form, with_form
from yolact_deploy.export.graph.torch_to_onnx import ExportOptions, ExportResult, export_onnx
from yolact_deploy.export.precision.convert import convert_precision
from yolact_deploy.models.deform_conv import ModulatedDeformConv
from yolact_deploy.predictor import Predictor
from yolact_deploy.runtimes.onnxruntime import create_session
from yolact_deploy.types import Detections, Image

DEFORMABLE = 6  # layers of yolact_plus_nano


@pytest.fixture(scope="module", params=DEFORM_CONV_FORMS)
def form(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def exports(
    plus_exports: dict[str, ExportResult], tmp_path_factory: pytest.TempPathFactory, form: str
) -> dict[int | None, ExportResult]:
    """By batch: 1 and dynamic (None)."""
    options = ExportOptions(tmp_path_factory.mktemp("plus") / "dynamic.onnx", batch=None, deform_conv=form)
    return {1: plus_exports[form], None: export_onnx(PLUS_NANO_WEIGHTS, options)}


@pytest.fixture(scope="module")
def images(nano_image: Image) -> list[Image]:
    """Four of one size, which the dynamic file takes at once; nothing is found in the last."""
    noise = np.random.default_rng(0).integers(0, 255, nano_image.shape, np.uint8)
    return [nano_image, nano_image[:, ::-1].copy(), noise, np.zeros_like(nano_image)]


@pytest.fixture(scope="module")
def expected(images: list[Image]) -> list[Detections]:
    with Predictor.open(PLUS_NANO_WEIGHTS, device="cpu") as predictor:
        return [predictor(image) for image in images]


def assert_same_plus(found: Detections, expected: Detections) -> None:
    assert_same(found, expected)
    np.testing.assert_allclose(found.mask_scores, expected.mask_scores, atol=1e-4)


@pytest.mark.parametrize("batch", [1, None])
def test_onnx_runtime_equals_pytorch(
    exports: dict[int | None, ExportResult], batch: int | None, images: list[Image], expected: list[Detections]
) -> None:
    assert exports[batch].check.passed
    with Predictor.open(exports[batch].path, device="cpu") as predictor:
        for found, wanted in zip(predictor.batch(images), expected, strict=True):
            assert_same_plus(found, wanted)
        assert_same_plus(predictor(images[0]), expected[0])
    assert len(expected[0]) > 0
    assert (expected[0].scores != expected[0].mask_scores).any()
    assert (np.diff(expected[0].scores) <= 0).all()  # the order stays that of the box scores


def test_contract_of_the_graph(exports: dict[int | None, ExportResult], form: str) -> None:
    for batch, dim in ((1, 1), (None, "B")):
        model = onnx.load(exports[batch].path)
        shapes = {output.name: dims(output) for output in model.graph.output}
        assert shapes["mask_scores"] == shapes["scores"] == [dim, 100]
        operators = collections.Counter(node.op_type for node in model.graph.node)
        assert operators[{"gridsample": "GridSample", "onnx": "DeformConv"}[form]] == DEFORMABLE
        assert operators["GridSample"] + operators["DeformConv"] == DEFORMABLE
        assert exports[batch].metadata.deform_conv == form
        weights = {tensor.name for tensor in model.graph.initializer}
        convolutions = [node for node in model.graph.node if node.op_type in ("Conv", "DeformConv")]
        assert all(node.input[1] in weights for node in convolutions)  # quantisers want them constant


def test_rows_past_the_detections_are_zero(exports: dict[int | None, ExportResult], images: list[Image]) -> None:
    session = create_session(str(exports[None].path), "test", device="cpu")
    names = ["mask_scores", "scores", "num_detections"]
    mask_scores, scores, counts = session.run(names, {"image": np.stack(images)})
    assert counts[3] == 0 < counts[0] < 100
    for row, score_row, count in zip(mask_scores, scores, counts, strict=True):
        assert not row[count:].any()
        assert not score_row[count:].any()


def test_the_check_compares_mask_scores(exports: dict[int | None, ExportResult]) -> None:
    check = exports[1].check
    assert 0 < check.differences["mask_scores"] < 1e-4
    assert check.tolerances["mask_scores"] > 0


def test_cross_class_and_tensor_input(tmp_path: Path, images: list[Image]) -> None:
    postprocess = PostprocessConfig(cross_class=True, top_k=50)
    options = ExportOptions(tmp_path / "cross.onnx", input_kind="tensor", postprocess=postprocess)
    path = export_onnx(PLUS_NANO_WEIGHTS, options).path
    with (
        Predictor.open(path, device="cpu") as exported,
        Predictor.open(PLUS_NANO_WEIGHTS, device="cpu", postprocess=postprocess) as reference,
    ):
        assert_same_plus(exported(images[0]), reference(images[0]))


@pytest.mark.parametrize("changes", [{"mask_iou_channels": []}, {"backbone": {"dcn_layers": []}}])
def test_only_half_of_yolact_plus(tmp_path: Path, changes: dict) -> None:
    config = ModelConfig.from_dict({"base": "yolact_plus_nano", "image_size": 100, "mask_iou_channels": [4], **changes})
    torch.save(seeded_state_dict(config), tmp_path / "mine.pth")
    result = export_onnx(tmp_path / "mine.pth", ExportOptions(tmp_path / "mine.onnx", config=config))
    assert result.check.passed
    assert result.metadata.deform_conv == ("gridsample" if config.backbone.dcn_layers else "none")
    outputs = {output.name for output in onnx.load(result.path).graph.output}
    assert ("mask_scores" in outputs) == config.rescores_masks


def test_auto_is_one_of_the_forms_and_others_are_refused(tmp_path: Path, nano_weights: Path) -> None:
    result = export_onnx(PLUS_NANO_WEIGHTS, ExportOptions(tmp_path / "auto.onnx", deform_conv="auto"))
    assert result.metadata.deform_conv in DEFORM_CONV_FORMS
    plain = export_onnx(nano_weights, ExportOptions(tmp_path / "plain.onnx", deform_conv="auto"))
    assert plain.metadata.deform_conv == "none"
    with pytest.raises(ConfigError, match="deformable convolutions 'dcn': use one of gridsample, onnx, auto"):
        export_onnx(PLUS_NANO_WEIGHTS, ExportOptions(tmp_path / "dcn.onnx", deform_conv="dcn"))


def test_an_onnx_runtime_without_the_operator(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object, **options: object) -> None:
        raise ModelFileError("Could not find an implementation for DeformConv(19)")

    assert chosen_form("auto") == "onnx"
    monkeypatch.setattr(deform_conv_module, "create_session", refuse)
    deform_conv_module._runs_deform_conv.cache_clear()
    assert chosen_form("auto") == chosen_form("gridsample") == "gridsample"
    with pytest.raises(ConfigError, match="update onnxruntime, or use gridsample"):
        chosen_form("onnx")
    deform_conv_module._runs_deform_conv.cache_clear()


def test_tracing_leaves_the_model_as_it_was(form: str) -> None:
    model, _ = load_checkpoint(PLUS_NANO_WEIGHTS)
    before = list(model.named_modules())
    with with_form(model, form):
        called = dict(model.named_modules())
        assert not isinstance(called["backbone.layers.1.0.conv2"], ModulatedDeformConv)
    assert list(model.named_modules()) == before


@pytest.mark.parametrize("precision", ["fp16", "bf16"])
def test_positions_and_mask_scores_stay_float32(exports: dict[int | None, ExportResult], precision: str) -> None:
    model = convert_precision(onnx.load(exports[1].path), precision)
    types = {
        value.name: value.type.tensor_type.elem_type
        for value in onnx.shape_inference.infer_shapes(model, strict_mode=True).graph.value_info
    }
    writers = {name: node for node in model.graph.node for name in node.output}
    for node in model.graph.node:
        if node.op_type in ("GridSample", "DeformConv"):
            assert {types[name] for name in node.input if name in types} == {onnx.TensorProto.FLOAT}
        if node.op_type == "GridSample":  # every sum on the way to the grid
            name = node.input[1]
            while writers[name].op_type not in ("Conv", "Cast"):
                assert types[name] == onnx.TensorProto.FLOAT
                name = next(name for name in writers[name].input if name in writers)
    rescoring = [node for node in model.graph.node if node.name.startswith("postprocess/mask_scores/")]
    assert len(rescoring) > 10
    floats = [types[name] for node in rescoring for name in node.output if name in types and "int" not in name]
    assert onnx.TensorProto.FLOAT16 not in floats
    assert onnx.TensorProto.BFLOAT16 not in floats


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_tensorrt_rtx(exports: dict[int | None, ExportResult], form: str, precision: str, tmp_path: Path) -> None:
    """The grid form builds, ONNX's operator is refused with what to do."""
    pytest.importorskip("tensorrt_rtx_bindings", reason="needs TensorRT for RTX: the extra rtx")
    options = EngineOptions(
        tmp_path / "model.engine", runtime="tensorrt-rtx", precision=precision, compute_capabilities=("8.6", "12.0")
    )
    if form == "onnx":
        with pytest.raises(ModelFileError, match="export it again with --deform-conv gridsample"):
            build_engine(exports[None].path, options)
        assert not options.output.exists()
    else:
        manifest = build_engine(exports[None].path, options).manifest
        assert "mask_scores" in [output.name for output in manifest.outputs]
        assert manifest.metadata.deform_conv == "gridsample"


@pytest.mark.parametrize("form", ["gridsample"], indirect=True, scope="module")
def test_an_engine_needs_the_mask_scores(exports: dict[int | None, ExportResult], tmp_path: Path) -> None:
    """Without them nothing would say that masks are ranked by the wrong score."""
    pytest.importorskip("tensorrt_rtx_bindings", reason="needs TensorRT for RTX: the extra rtx")
    model = onnx.load(exports[1].path)
    del model.graph.output[[value.name for value in model.graph.output].index("mask_scores")]
    onnx.save(model, tmp_path / "less.onnx")
    with pytest.raises(ModelFileError, match="lacks the outputs mask_scores: export it again"):
        build_engine(tmp_path / "less.onnx", EngineOptions(tmp_path / "less.engine", runtime="tensorrt-rtx"))
