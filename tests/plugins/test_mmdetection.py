"""An mmdetection checkpoint from its file to detections: in ONNX Runtime, with the plugins' kernels, in half precision
and in int8."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest

from tests.checkpoints.families.mmdetection_files import SMALL, TEXT, mmdetection_file
from tests.plugins.host_build import HostBuild
from tests.plugins.test_graph import HostRuntime
from yolact_deploy import cli
from yolact_deploy.artifacts.metadata import FORMAT_KEY
from yolact_deploy.artifacts.onnx_file import read_metadata
from yolact_deploy.checkpoints.families.mmdetection_text import RULES
from yolact_deploy.export.graph.torch_to_onnx import ExportOptions, export_onnx
from yolact_deploy.predictor import Predictor
from yolact_deploy.types import Image

LIMIT = 100  # per level, so that it decides in a network this small


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    text = TEXT.replace("nms_pre=1000", f"nms_pre={LIMIT}").replace("score_thr=0.05", "score_thr=0.01")
    return mmdetection_file(tmp_path_factory.mktemp("mmdetection") / "epoch_3.pth", text)


@pytest.fixture(scope="module")
def exported(weights: Path) -> Path:
    result = export_onnx(weights, ExportOptions(weights.with_suffix(".onnx")))
    assert result.check.passed
    assert result.check.reference_count > 0
    return result.path


def test_the_file_has_the_rules_of_mmdetection(exported: Path) -> None:
    rules = replace(RULES, candidates_per_level=LIMIT, score_threshold=0.01).for_model(SMALL)
    assert read_metadata(exported).postprocess == rules
    model = onnx.load(exported)
    assert {entry.key: entry.value for entry in model.metadata_props}[FORMAT_KEY] == "3"
    node = next(node for node in model.graph.node if node.op_type == "YolactFastNMS")
    found = {attribute.name: onnx.helper.get_attribute_value(attribute) for attribute in node.attribute}
    assert (found["clip_boxes"], found["threshold_per_class"], found["candidates_per_level"]) == (1, 1, LIMIT)
    assert tuple(found["level_priors"]) == SMALL.level_priors


def test_thresholds_of_the_command_line_change_these_rules(weights: Path, tmp_path: Path) -> None:
    assert cli.run(["export", str(weights), "-o", str(tmp_path / "a.onnx"), "--top-k", "50"]) == 0
    rules = read_metadata(tmp_path / "a.onnx").postprocess
    assert (rules.top_k, rules.score_threshold, rules.clip_boxes) == (50, 0.01, True)


def test_kernels_and_functions_and_pytorch_find_the_same(
    weights: Path, exported: Path, host_build: HostBuild, nano_image: Image
) -> None:
    with Predictor.open(weights, device="cpu") as reference, Predictor.open(exported, device="cpu") as predictor:
        wanted, found = reference(nano_image), predictor(nano_image)
        (kernels,) = HostRuntime(exported, host_build).detect([nano_image])
        own = predictor.detect([nano_image])[0]
    assert len(wanted) > 5
    np.testing.assert_array_equal(found.classes, wanted.classes)
    np.testing.assert_array_equal(kernels.classes, own.classes)
    for name in ("scores", "boxes"):
        np.testing.assert_allclose(getattr(kernels, name), getattr(own, name), atol=1e-5)
    assert own.boxes.min() >= 0
    assert own.boxes.max() <= 1
    assert own.boxes.max() == 1  # the border holds some


@pytest.mark.parametrize("words", [["--fp16"], ["--int8", "--calibration", "{images}", "--images", "8"]])
def test_other_precisions(exported: Path, nano_weights: Path, tmp_path: Path, words: list[str]) -> None:
    output = tmp_path / "other.onnx"
    given = [word.format(images=nano_weights.parent / "images") for word in words]
    assert cli.run(["convert-precision", str(exported), "-o", str(output), *given]) == 0
    assert read_metadata(output).postprocess == read_metadata(exported).postprocess
    with Predictor.open(output, device="cpu") as predictor:
        predictor(np.zeros((50, 60, 3), np.uint8))


def test_compare_is_clean(weights: Path, exported: Path) -> None:
    assert cli.run(["compare", str(weights), str(exported)]) == 0
