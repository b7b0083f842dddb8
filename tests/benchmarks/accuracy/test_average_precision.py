"""AP: against the official code's detections and numbers, and against pycocotools used directly."""

from __future__ import annotations

import contextlib
import io
import json
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pycocotools import mask as coding
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from tests.benchmarks.conftest import MakeFolder, detections, result, tiny_content
from tests.conftest import DATA
from yolact_deploy.benchmarks.accuracy import average_precision
from yolact_deploy.benchmarks.accuracy.average_precision import (
    NOT_AVAILABLE,
    AveragePrecision,
    GroundTruth,
    PrecisionCurves,
)
from yolact_deploy.benchmarks.accuracy.classes import ClassMapping, map_classes
from yolact_deploy.benchmarks.accuracy.dataset import Dataset, bundled_nano, load_dataset
from yolact_deploy.benchmarks.accuracy.image_results import ImageResult, encode_mask, run_images
from yolact_deploy.config.model import ModelConfig
from yolact_deploy.predictor import Predictor

OFFICIAL = DATA / "official_nano"
DOGS_AND_CATS = ClassMapping(category_ids=(3, 7, None), notes=())


@pytest.fixture(scope="module")
def nano() -> Dataset:
    return load_dataset(bundled_nano().folder)


def official_results(dataset: Dataset, mapping: ClassMapping) -> list[ImageResult]:
    """The official code's COCO results as results of ours."""
    boxes = json.loads((OFFICIAL / "bbox_detections.json").read_text())
    masks = json.loads((OFFICIAL / "mask_detections.json").read_text())
    results = []
    for image in dataset.images:
        chosen = [(b, m) for b, m in zip(boxes, masks, strict=True) if b["image_id"] == image.id]
        pixels = np.array([[x, y, x + w, y + h] for (x, y, w, h) in (b["bbox"] for b, _ in chosen)]).reshape(-1, 4)
        results.append(
            ImageResult(
                image_id=image.id,
                height=image.height,
                width=image.width,
                boxes=pixels.astype(np.int64),
                exact_boxes=pixels,
                scores=np.array([b["score"] for b, _ in chosen]),
                mask_scores=np.array([m["score"] for _, m in chosen]),
                classes=np.array([mapping.category_ids.index(b["category_id"]) for b, _ in chosen], np.int64),
                mask_counts=tuple(m["segmentation"]["counts"].encode() for _, m in chosen),
            )
        )
    return results


def assert_official(found: AveragePrecision, expected: dict[str, Any]) -> None:
    ours = (found.ap, found.ap50, found.ap75, found.small, found.medium, found.large)
    theirs = [expected[key] for key in ("AP", "AP50", "AP75", "APs", "APm", "APl")]
    assert ours == pytest.approx(theirs, abs=1e-6)
    assert dict(found.per_class) == pytest.approx(expected["per_category_AP"], abs=1e-6)


def test_official_detections_give_the_official_numbers(nano: Dataset) -> None:
    mapping = map_classes(ModelConfig.named("yolact_nano"), nano.categories)
    accuracy = GroundTruth(nano).evaluate(official_results(nano, mapping), mapping)
    expected = json.loads((OFFICIAL / "metrics.json").read_text())["coco"]
    assert_official(accuracy.box, expected["bbox"])
    assert_official(accuracy.mask, expected["segm"])


def test_pytorch_and_onnx_runtime_reach_the_official_numbers(nano: Dataset, nano_onnx: Path) -> None:
    expected = json.loads((OFFICIAL / "metrics.json").read_text())["coco"]
    truth = GroundTruth(nano)
    for path in (bundled_nano().weights, nano_onnx):
        with Predictor.open(path, threads=1) as predictor:
            mapping = map_classes(predictor.metadata.config, nano.categories)
            accuracy = truth.evaluate(run_images(predictor, nano.images), mapping)
        assert accuracy.box.ap == pytest.approx(expected["bbox"]["AP"], abs=0.0005)
        assert accuracy.mask.ap == pytest.approx(expected["segm"]["AP"], abs=0.0005)


def tiny_results() -> list[ImageResult]:
    """Hits, near misses, a detection in the crowd, one without area, one of a class that the data set lacks."""
    return [
        result(
            10,
            [[10, 10, 30, 40], [12, 11, 29, 42], [52, 5, 60, 30], [5, 5, 5, 50], [10, 10, 30, 40]],
            [0.9, 0.8, 0.7, 0.95, 0.6],
            [1, 1, 0, 1, 2],
            [0.5, 0.85, 0.7, 0.95, 0.6],
        ),
        result(20, [[0, 0, 70, 60], [10, 10, 20, 20]], [0.4, 0.6], [0, 1]),
        result(30, [[1, 1, 9, 9]], [0.3], [0]),
    ]


def by_hand(folder: Path, kind: str, results: list[dict[str, Any]]) -> list[float]:
    """pycocotools the way its demo uses it."""
    content = json.loads((folder / "instances.json").read_text())
    for number, item in enumerate(content["annotations"], start=1):
        item["id"] = number
    (folder / "numbered.json").write_text(json.dumps(content))
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(folder / "numbered.json")
        evaluation = COCOeval(truth, truth.loadRes(results), kind)
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return list(evaluation.stats[:6])


def test_a_tiny_set_against_pycocotools_used_directly(make_folder: MakeFolder) -> None:
    boxes, masks = [], []
    for found in tiny_results():
        for index, (x1, y1, x2, y2) in enumerate(found.boxes.tolist()):
            category = {0: 3, 1: 7}.get(int(found.classes[index]))
            if category is None or x1 == x2:
                continue
            entry = {"image_id": found.image_id, "category_id": category}
            boxes.append({**entry, "bbox": [x1, y1, x2 - x1, y2 - y1], "score": float(found.scores[index])})
            full = np.zeros((found.height, found.width), np.uint8, order="F")
            full[y1:y2, x1:x2] = 1
            masks.append({**entry, "segmentation": coding.encode(full), "score": float(found.mask_scores[index])})
    folder = make_folder()
    accuracy = GroundTruth(load_dataset(folder)).evaluate(tiny_results(), DOGS_AND_CATS)
    for found, kind, entries in ((accuracy.box, "bbox", boxes), (accuracy.mask, "segm", masks)):
        ours = [found.ap, found.ap50, found.ap75, found.small, found.medium, found.large]
        assert ours == pytest.approx(by_hand(folder, kind, entries), abs=1e-12)
        assert 0 < found.ap < 1


def test_curves_are_the_precisions_that_ap_is_the_mean_of(make_folder: MakeFolder) -> None:
    accuracy = GroundTruth(load_dataset(make_folder())).evaluate(tiny_results(), DOGS_AND_CATS)
    for found in (accuracy.box, accuracy.mask):
        for name in ("ap", "ap50", "ap75"):
            curve = getattr(found.curves, name)
            assert len(curve) == 101
            assert list(curve) == sorted(curve, reverse=True)
            assert np.mean(curve) == pytest.approx(getattr(found, name), abs=1e-4)
    assert accuracy.box.curves.ap != accuracy.box.curves.ap50


def test_boxes_rank_by_scores_and_masks_by_mask_scores(make_folder: MakeFolder) -> None:
    truth = GroundTruth(load_dataset(make_folder()))
    right, wrong = [10, 10, 30, 40], [40, 10, 60, 40]
    found = truth.evaluate([result(10, [right, wrong], [0.9, 0.8], [1, 1], [0.1, 0.2])], DOGS_AND_CATS)
    assert dict(found.box.per_class)["cat"] == pytest.approx(1.0)
    assert dict(found.mask.per_class)["cat"] == pytest.approx(0.5)


def test_no_detections_at_all_give_an_ap_of_0(make_folder: MakeFolder) -> None:
    truth = GroundTruth(load_dataset(make_folder()))
    for results in ([], [result(10), result(20), result(30)]):
        accuracy = truth.evaluate(results, DOGS_AND_CATS)
        assert accuracy.box.ap == accuracy.mask.ap == 0.0
        assert accuracy.box.per_class == (("dog", 0.0), ("cat", 0.0))


def test_what_has_no_objects_is_not_available(make_folder: MakeFolder) -> None:
    content = tiny_content()
    content["annotations"] = [item for item in content["annotations"] if item["category_id"] == 3 and item["iscrowd"]]
    accuracy = GroundTruth(load_dataset(make_folder(content))).evaluate(tiny_results(), DOGS_AND_CATS)
    assert accuracy.box.ap == accuracy.mask.ap == accuracy.box.large == NOT_AVAILABLE
    assert accuracy.box.per_class == (("dog", NOT_AVAILABLE), ("cat", NOT_AVAILABLE))
    assert accuracy.box.curves == PrecisionCurves()


def test_evaluating_twice_gives_the_same_and_leaves_the_data_set_alone(make_folder: MakeFolder) -> None:
    """pycocotools writes into annotations."""
    dataset = load_dataset(make_folder())
    before = json.dumps(dataset.annotations)
    truth = GroundTruth(dataset)
    assert truth.evaluate(tiny_results(), DOGS_AND_CATS) == truth.evaluate(tiny_results(), DOGS_AND_CATS)
    assert json.dumps(dataset.annotations) == before


def test_pycocotools_stays_silent_and_other_threads_do_not(
    make_folder: MakeFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    dataset = load_dataset(make_folder())
    stop = threading.Event()

    def speak() -> None:
        while not stop.wait(0.001):
            print("other")

    speaker = threading.Thread(target=speak)
    speaker.start()
    try:
        for _ in range(5):
            GroundTruth(dataset).evaluate(tiny_results(), DOGS_AND_CATS)
    finally:
        stop.set()
        speaker.join()
    assert set(capsys.readouterr().out.split()) == {"other"}


def test_masks_are_encoded_as_pycocotools_does() -> None:
    masks = np.random.default_rng(0).random((3, 17, 23)) > 0.6
    for mask in masks:
        rle = {"size": list(mask.shape), "counts": encode_mask(mask)}
        np.testing.assert_array_equal(coding.decode(rle), mask)
    assert len(detections([], [], []).masks) == 0


def test_categories_evaluated_in_parts_give_the_same(nano: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    mapping = map_classes(ModelConfig.named("yolact_nano"), nano.categories)
    results = official_results(nano, mapping)
    whole = GroundTruth(nano).evaluate(results, mapping)
    monkeypatch.setattr(average_precision, "MAX_AT_ONCE", 1)
    assert GroundTruth(nano).evaluate(results, mapping) == whole
