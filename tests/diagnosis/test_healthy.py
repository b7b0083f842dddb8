"""Models that are what they should be pass, whatever they are rounded to and whatever they see."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

from tests.conftest import NANO, PLUS_NANO_WEIGHTS
from tests.diagnosis.planted import change, compare
from tests.export.precision.rounded import round_everything
from yolact_deploy.artifacts.metadata import DEFORM_CONV_FORMS
from yolact_deploy.artifacts.tensor_names import RAW_OUTPUTS, detection_stages, tensor_stages
from yolact_deploy.config.model import ModelConfig
from yolact_deploy.diagnosis.compare import CompareOptions, compare_models
from yolact_deploy.diagnosis.opening import open_probe
from yolact_deploy.diagnosis.walk import Comparison
from yolact_deploy.export.graph.torch_to_onnx import ExportOptions, ExportResult, export_onnx
from yolact_deploy.export.precision.convert import convert_file
from yolact_deploy.images import read_image
from yolact_deploy.types import Image


def assert_passes(comparison: Comparison) -> None:
    first = comparison.first_divergence
    assert first is None, (first, comparison.culprit)
    assert all(result.difference is not None for result in comparison.stages)
    assert comparison.culprit is None


class Pictures(CalibrationDataReader):
    """Some pictures of the bundled data set, for ONNX Runtime's quantiser."""

    def __init__(self) -> None:
        self._paths: Iterator[Path] = iter(sorted((NANO / "images").glob("*.jpg"))[:6])

    def get_next(self) -> dict[str, Any] | None:
        path = next(self._paths, None)
        return None if path is None else {"image": read_image(path)[None]}


@pytest.fixture(scope="module")
def int8_onnx(nano_onnx: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundled model with its convolutions quantised."""
    output = tmp_path_factory.mktemp("int8") / "int8.onnx"
    names = [node.name for node in onnx.load(nano_onnx).graph.node if node.op_type == "Conv"]
    quantize_static(
        nano_onnx,
        output,
        Pictures(),
        quant_format=QuantFormat.QDQ,
        per_channel=True,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
        nodes_to_quantize=names,
    )
    return output


def test_a_checkpoint_and_its_export(nano_weights: Path, nano_onnx: Path, nano_image: Image) -> None:
    comparison = compare(nano_weights, nano_onnx, nano_image)
    assert_passes(comparison)
    assert comparison.tolerances == "fp32"
    assert [result.stage for result in comparison.stages] == [
        *("network_input", "C3", "C4", "C5", "P3", "P4", "P5", "P6", "P7", "proto", "loc", "conf", "coef"),
        *("boxes", "scores", "masks"),
    ]
    assert next(result.note for result in comparison.stages if result.stage == "boxes") == "36 of 36 matched"
    assert_passes(compare(nano_onnx, nano_weights, nano_image))  # the other way round
    same = compare(nano_onnx, nano_onnx, nano_image)
    assert {result.difference.max_abs for result in same.stages if result.difference} == {0.0}


@pytest.mark.parametrize("form", DEFORM_CONV_FORMS)
def test_yolact_plus(form: str, plus_exports: dict[str, ExportResult], nano_image: Image, tmp_path: Path) -> None:
    exported = plus_exports[form].path
    comparison = compare(PLUS_NANO_WEIGHTS, exported, nano_image)
    assert_passes(comparison)
    assert comparison.stages[-1].stage == "mask_scores"
    half = convert_file(exported, tmp_path / "half.onnx", "fp16").path
    assert_passes(compare(exported, half, nano_image))


@pytest.mark.parametrize("precision", ["fp16", "bf16"])
def test_half_precision(precision: str, nano_weights: Path, nano_onnx: Path, nano_image: Image, tmp_path: Path) -> None:
    half = convert_file(nano_onnx, tmp_path / "half.onnx", precision).path
    rounded = tmp_path / "rounded.onnx"
    onnx.save(round_everything(onnx.load(half)), rounded)
    for suspect in (half, rounded)[precision == "bf16" :]:  # no bf16 convolutions in ONNX Runtime on a CPU
        comparison = compare(nano_weights, suspect, nano_image)
        assert_passes(comparison)
        assert comparison.tolerances == precision
        worst = max(result.difference.relative for result in comparison.stages[:13] if result.difference)
        assert 1e-4 < worst < 2e-2  # far from fp32, and with room below the tolerance


def test_int8(nano_weights: Path, nano_onnx: Path, int8_onnx: Path, nano_image: Image) -> None:
    for reference in (nano_weights, nano_onnx):
        comparison = compare(reference, int8_onnx, nano_image)
        assert_passes(comparison)
        assert comparison.tolerances == "int8"


def test_int8_held_to_a_small_tolerance_says_where(nano_onnx: Path, int8_onnx: Path, nano_image: Image) -> None:
    comparison = compare_models(nano_onnx, int8_onnx, nano_image, CompareOptions(tolerance=0.03))
    assert comparison.first_divergence is not None
    assert comparison.first_divergence.stage == "C3"
    assert comparison.culprit is not None
    assert comparison.culprit.operator.startswith(("Conv backbone.", "Relu after Conv backbone."))
    assert comparison.culprit.relative is not None
    assert comparison.culprit.relative > 0.03


def test_a_fault_in_int8(nano_onnx: Path, int8_onnx: Path, nano_image: Image, tmp_path: Path) -> None:
    model = onnx.load(int8_onnx)
    change(model, "model.backbone.layers.1.0.conv2.weight_quantized", lambda weight: -weight)
    onnx.save(model, tmp_path / "faulty.onnx")
    comparison = compare(nano_onnx, tmp_path / "faulty.onnx", nano_image)
    assert comparison.culprit is not None
    assert comparison.culprit.operator == "Conv backbone.layers.1.0.conv2"


def test_heads_of_int8_are_told_apart(nano_onnx: Path, int8_onnx: Path, nano_image: Image) -> None:
    """Though the quantiser writes their nodes in another order, so that what reads all of them pairs up, too."""
    reference, suspect = (open_probe(path, "cpu", None, False) for path in (nano_onnx, int8_onnx))
    ours, theirs = reference.structure(), suspect.structure()
    assert ours is not None
    assert theirs is not None
    for stage in RAW_OUTPUTS[:3]:
        assert ours.stages[stage] == theirs.stages[stage]
    heads = [key for key, operator in ours.operators.items() if "prediction_layers" in operator.label]
    assert len(heads) == 5 * 5 + 5  # layers and a Relu on each level, three Concat, Softmax and Tanh
    expected, actual = reference.values(nano_image, heads), suspect.values(nano_image, heads)
    for key in expected.keys() & actual.keys():
        assert expected[key].shape == actual[key].shape, ours.operators[key].label


def test_a_fault_behind_the_heads_of_int8(nano_onnx: Path, int8_onnx: Path, nano_image: Image, tmp_path: Path) -> None:
    model = onnx.load(int8_onnx)
    softmax = next(node for node in model.graph.node if "conf" in node.output)
    next(attribute for attribute in softmax.attribute if attribute.name == "axis").i = 1
    onnx.save(model, tmp_path / "faulty.onnx")
    comparison = compare(nano_onnx, tmp_path / "faulty.onnx", nano_image)
    assert comparison.culprit is not None
    assert comparison.culprit.operator == "Softmax after Conv prediction_layers.0.conf_layer on P3"
    assert comparison.culprit.reason.endswith("and what it reads agrees")


@pytest.mark.parametrize("size", [(1, 1), (33, 500), (701, 333), (256, 256)])
def test_any_image_size(size: tuple[int, int], nano_weights: Path, nano_onnx: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)
    assert_passes(compare(nano_weights, nano_onnx, noise))


@pytest.mark.parametrize("size", [(1, 2000), (1080, 1920)])
def test_a_large_image_of_high_contrast(size: tuple[int, int], nano_weights: Path, nano_onnx: Path) -> None:
    """Float32 positions of pixels, which a resize may compute in several ways, differ in proportion to its side."""
    chequered = (np.indices(size).sum(axis=0) % 2 * 255).astype(np.uint8)
    comparison = compare(nano_weights, nano_onnx, np.repeat(chequered[..., None], 3, axis=2))
    assert_passes(comparison)
    assert comparison.stages[0].difference is not None
    assert comparison.stages[0].difference.relative > 1e-4  # more than a small image may have


def test_an_image_without_detections(nano_weights: Path, nano_onnx: Path) -> None:
    comparison = compare(nano_weights, nano_onnx, np.zeros((100, 80, 3), np.uint8))
    assert_passes(comparison)
    assert next(result.note for result in comparison.stages if result.stage == "boxes") == "0 of 0 matched"


def test_masks_at_image_size_and_a_dynamic_batch(
    nano_weights: Path, nano_image_masks_onnx: Path, nano_image: Image
) -> None:
    assert_passes(compare(nano_weights, nano_image_masks_onnx, nano_image))


@pytest.mark.parametrize("input_kind", ["tensor", "planar"])
def test_several_tensors_per_call(nano_weights: Path, nano_image: Image, tmp_path: Path, input_kind: str) -> None:
    options = ExportOptions(tmp_path / "other.onnx", input_kind=input_kind, batch=4)
    comparison = compare(nano_weights, export_onnx(nano_weights, options).path, nano_image)
    assert_passes(comparison)
    config = ModelConfig.named("yolact_nano")
    assert [result.stage for result in comparison.stages] == [*tensor_stages(config), *detection_stages(config)]
