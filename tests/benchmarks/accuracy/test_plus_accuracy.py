"""AP of the trained YOLACT++ against the official code's, and its exported files against the parity gates."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import DATA, PLUS_NANO_WEIGHTS
from yolact_deploy.artifacts.metadata import DEFORM_CONV_FORMS
from yolact_deploy.benchmarks.accuracy.average_precision import Accuracy, GroundTruth
from yolact_deploy.benchmarks.accuracy.classes import map_classes
from yolact_deploy.benchmarks.accuracy.dataset import Dataset, bundled_nano, load_dataset
from yolact_deploy.benchmarks.accuracy.image_results import ImageResult, run_images
from yolact_deploy.benchmarks.accuracy.parity import POINT, compare, gate_for, judge
from yolact_deploy.export.graph.torch_to_onnx import ExportResult
from yolact_deploy.export.precision.convert import convert_file
from yolact_deploy.predictor import Predictor

pytestmark = pytest.mark.slow

Found = tuple[list[ImageResult], Accuracy]


@pytest.fixture(scope="module")
def nano() -> Dataset:
    return load_dataset(bundled_nano().folder)


def find(path: Path, dataset: Dataset) -> Found:
    with Predictor.open(path, device="cpu") as predictor:
        mapping = map_classes(predictor.metadata.config, dataset.categories)
        results = run_images(predictor, dataset.images)
    return results, GroundTruth(dataset).evaluate(results, mapping)


@pytest.fixture(scope="module")
def reference(nano: Dataset) -> Found:
    return find(PLUS_NANO_WEIGHTS, nano)


def test_pytorch_reaches_the_official_numbers(reference: Found) -> None:
    """Box AP ranks by the box scores, mask AP by the mask scores."""
    expected = json.loads((DATA / "official_nano/plus_metrics.json").read_text())["coco"]
    _, accuracy = reference
    assert accuracy.box.ap == pytest.approx(expected["bbox"]["AP"], abs=0.05 * POINT)
    assert accuracy.mask.ap == pytest.approx(expected["segm"]["AP"], abs=0.05 * POINT)


def test_scores_are_the_official_ones_image_by_image(nano: Dataset, reference: Found) -> None:
    """Both lists of every image, best first; the official files leave out boxes without area."""
    results, _ = reference
    for kind, field in (("bbox", "scores"), ("mask", "mask_scores")):
        official = json.loads((DATA / f"official_nano/plus_{kind}_detections.json").read_text())
        for result in results:
            x1, y1, x2, y2 = result.boxes.T
            ours = np.sort(getattr(result, field)[(x2 - x1) * (y2 - y1) > 0])
            theirs = np.sort([entry["score"] for entry in official if entry["image_id"] == result.image_id])
            np.testing.assert_allclose(ours, theirs, atol=1e-4)


@pytest.mark.parametrize("form", DEFORM_CONV_FORMS)
def test_exported_files_pass_the_gates(
    nano: Dataset, reference: Found, plus_exports: dict[str, ExportResult], form: str, tmp_path: Path
) -> None:
    results, accuracy = reference
    single = plus_exports[form].path
    half = convert_file(single, tmp_path / "fp16.onnx", "fp16").path
    for path, precision in ((single, "fp32"), (half, "fp16")):
        found_results, found_accuracy = find(path, nano)
        parity = compare(results, found_results, accuracy, found_accuracy)
        verdict = judge(parity, gate_for(precision))
        assert verdict.passed, verdict
        if precision == "fp32":
            assert parity.box_difference == pytest.approx(0, abs=0.05)
            assert parity.mask_difference == pytest.approx(0, abs=0.05)
