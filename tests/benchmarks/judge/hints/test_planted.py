"""Each hint names its planted fault, and a healthy model gets none."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from tests.benchmarks.judge.conftest import Case, case_of
from tests.conftest import NANO, NANO_WEIGHTS, PLUS_NANO_WEIGHTS
from yolact_deploy.benchmarks.accuracy.dataset import Dataset
from yolact_deploy.benchmarks.accuracy.image_results import image_result, run_images
from yolact_deploy.benchmarks.judge.hints.find import find_hints
from yolact_deploy.benchmarks.judge.hints.masks import shifted
from yolact_deploy.benchmarks.judge.hints.probes import probe_hints
from yolact_deploy.benchmarks.scripts.make_nano_data import write_data
from yolact_deploy.config.categories import Category
from yolact_deploy.predictor import Predictor
from yolact_deploy.types import Image, NetworkDetections


def causes(case: Case) -> list[str]:
    return [hint.cause for hint in find_hints(case.evidence)]


def text(case: Case) -> str:
    return " | ".join(hint.text for hint in find_hints(case.evidence))


def renamed(case: Case, order: tuple[int, ...]) -> Case:
    """The categories' names in another order."""
    names = [category.name for category in case.dataset.categories]
    made = tuple(Category(item.id, names[to]) for item, to in zip(case.dataset.categories, order, strict=True))
    return replace(case, dataset=replace(case.dataset, categories=made))


def moved_ids(case: Case, step: int, wraps: bool) -> Case:
    ids = [category.id for category in case.dataset.categories]

    def change(item: dict[str, Any], height: int, width: int) -> dict[str, Any]:
        place = ids.index(item["category_id"]) + step
        place = place % len(ids) if wraps else min(max(place, 0), len(ids) - 1)
        return {**item, "category_id": ids[place]}

    return case.annotated(change)


def scaled(case: Case, factor: float) -> Case:
    def change(mask: np.ndarray) -> np.ndarray:
        height, width = mask.shape
        size = (max(1, round(width * factor)), max(1, round(height * factor)))
        larger = cv2.resize(mask.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST)[:height, :width]
        return np.pad(larger, ((0, height - larger.shape[0]), (0, width - larger.shape[1]))) > 0

    boxed = case.annotated(lambda item, h, w: {**item, "bbox": [value * factor for value in item["bbox"]]})
    return boxed.masked(change)


def test_healthy_models_get_no_hint(nano_case: Case) -> None:
    assert find_hints(nano_case.evidence) == ()


@pytest.mark.slow
@pytest.mark.parametrize("weights", [NANO_WEIGHTS, PLUS_NANO_WEIGHTS])
def test_healthy_models_get_no_hint_on_other_pictures(weights: Path, tmp_path: Path) -> None:
    """192 drawn pictures, and the bundled ones; with the probes, which run the model again."""
    write_data(tmp_path / "drawn", 192, 7)
    for folder in (tmp_path / "drawn", NANO):
        case = case_of(weights, folder)
        with Predictor.open(weights, device="cpu", threads=1) as predictor:
            assert find_hints(case.evidence, predictor) == ()


@pytest.mark.parametrize("order", [(1, 0, 2, 3, 4, 5), (5, 4, 3, 2, 1, 0), (1, 2, 0, 3, 4, 5), (1, 0, 3, 2, 5, 4)])
def test_names_in_another_order(nano_case: Case, order: tuple[int, ...]) -> None:
    case = renamed(nano_case, order)
    assert causes(case) == ["class names"]
    assert "square is found as" in text(case)


@pytest.mark.parametrize("step", [1, -1])
@pytest.mark.parametrize("wraps", [True, False])
def test_ids_off_by_one(nano_case: Case, step: int, wraps: bool) -> None:
    assert causes(moved_ids(nano_case, step, wraps)) == ["class ids"]


@pytest.mark.parametrize(
    ("x", "y", "words"),
    [
        (12, 0, "12 px to the left"),
        (0, -7, "7 px down"),
        (-20, 15, "20 px to the right and 15 px up"),
        (3, 0, "3 px to the left"),
    ],
)
def test_shifted_masks(nano_case: Case, x: int, y: int, words: str) -> None:
    case = nano_case.masked(lambda mask: shifted(mask, x, y))
    assert causes(case) == ["mask shift"]
    assert words in text(case)


FLIPS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "mirrored left to right": lambda mask: mask[:, ::-1],
    "mirrored top to bottom": lambda mask: mask[::-1],
    "turned by 180 degrees": lambda mask: mask[::-1, ::-1],
}


@pytest.mark.parametrize("words", FLIPS)
def test_mirrored_masks_and_pictures(nano_case: Case, words: str) -> None:
    masks = nano_case.masked(FLIPS[words])
    assert causes(masks) == ["mask mirrored"]
    assert words in text(masks)
    both = nano_case.masked(FLIPS[words], with_boxes=True)
    assert causes(both) == ["orientation"]
    assert words in text(both)


def test_masks_by_rows(nano_case: Case) -> None:
    case = nano_case.masked(lambda mask: mask.ravel().reshape(mask.shape, order="F"))
    assert "go by rows" in text(case)


@pytest.mark.parametrize(("factor", "words"), [(0.5, "by 2 "), (0.75, "by 1.3 "), (1.25, "by 0.8 "), (2.0, "by 0.5 ")])
def test_another_scale(nano_case: Case, factor: float, words: str) -> None:
    case = scaled(nano_case, factor)
    assert causes(case) == ["scale"]
    assert words in text(case)


def test_boxes_and_masks_shifted_together(nano_case: Case) -> None:
    case = nano_case.masked(lambda mask: shifted(mask, 12, 0), with_boxes=True)
    assert causes(case) == ["box shift"]


@pytest.mark.parametrize("form", ["x1, y1, x2, y2", "centre x, centre y", "shares of the picture"])
def test_boxes_in_another_form(nano_case: Case, form: str) -> None:
    def change(item: dict[str, Any], height: int, width: int) -> dict[str, Any]:
        x, y, w, h = item["bbox"]
        made = {
            "x1, y1, x2, y2": [x, y, x + w, y + h],
            "centre x, centre y": [x + w / 2, y + h / 2, w, h],
            "shares of the picture": [x / width, y / height, w / width, h / height],
        }
        return {**item, "bbox": made[form]}

    case = nano_case.annotated(change)
    assert "box form" in causes(case)
    assert form in text(case)


@pytest.mark.parametrize("size", [384, 192])
def test_a_wrong_image_size(size: int) -> None:
    """The configuration with its anchors scaled, as --config gives it."""
    with Predictor.open(NANO_WEIGHTS, device="cpu", threads=1) as predictor:
        config = predictor.metadata.config.with_image_size(size)
    case = case_of(NANO_WEIGHTS, NANO, limit=24)
    with Predictor.open(NANO_WEIGHTS, device="cpu", threads=1, config=config) as predictor:
        results = tuple(run_images(predictor, case.dataset.images))
        wrong = replace(case, results=results, metadata=predictor.metadata)
    assert causes(wrong) == ["image size"]
    named = re.search(r"image_size of about (\d+), not (\d+)", text(wrong))
    assert named is not None
    assert int(named[1]) == pytest.approx(256, rel=0.1)
    assert int(named[2]) == size


class Probed:
    """The bundled model behind a change of its pictures: what a wrong preprocessing would be."""

    def __init__(self, predictor: Predictor, change: Callable[[Image], Image]) -> None:
        self._predictor, self._change = predictor, change

    def detect(self, images: list[Image]) -> list[NetworkDetections]:
        return self._predictor.detect([self._change(image) for image in images])


def red_alone(image: Image) -> Image:
    """A network that looks at red alone: BGR, all three channels as the last one."""
    return np.repeat(image[..., 2:], 3, axis=2)


def run_probed(case: Case, probed: Probed) -> Case:
    results = []
    with Predictor.open(NANO_WEIGHTS, device="cpu", threads=1) as finishing:
        for image in case.dataset.images:
            pixels = image.read()
            found = finishing.finish(probed.detect([pixels])[0], *pixels.shape[:2])
            results.append(image_result(image.id, found))
    return replace(case, results=tuple(results))


def test_wrong_channel_order(tmp_path: Path) -> None:
    """Pictures that have their contrast in blue, for a network that looks at red."""
    case = case_of(NANO_WEIGHTS, NANO, limit=16)
    images = []
    for image in case.dataset.images:
        pixels = image.read()
        pixels[..., 0], pixels[..., 1:] = cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY), 128
        cv2.imwrite(str(tmp_path / f"{image.id}.png"), pixels)
        images.append(replace(image, path=tmp_path / f"{image.id}.png"))
    case = replace(case, dataset=replace(case.dataset, images=tuple(images)))
    with Predictor.open(NANO_WEIGHTS, device="cpu", threads=1) as predictor:
        probed: Any = Probed(predictor, red_alone)
        hints = probe_hints(run_probed(case, probed).evidence, probed)
    assert [hint.cause for hint in hints] == ["channel order"]


def quieter(case: Case, name: str, factor: float) -> Case:
    """All scores of one class lowered."""
    index = case.metadata.config.class_names.index(name)
    made = []
    for result in case.results:
        scores = np.where(result.classes == index, result.scores * np.float32(factor), result.scores)
        order = np.argsort(-scores, kind="stable")
        made.append(
            replace(
                result, boxes=result.boxes[order], exact_boxes=result.exact_boxes[order], scores=scores[order],
                mask_scores=scores[order], classes=result.classes[order],
                mask_counts=tuple(result.mask_counts[place] for place in order.tolist()),
            )
        )  # fmt: skip
    return replace(case, results=tuple(made))


@pytest.mark.parametrize("name", ["disk", "ring"])
def test_a_threshold_that_hides_a_class(nano_case: Case, name: str) -> None:
    case = quieter(nano_case, name, 0.25)
    assert causes(case) == ["hidden by threshold"]
    assert name in text(case)


def test_a_file_s_own_threshold_that_hides_a_class(nano_case: Case) -> None:
    kept = []
    for result in nano_case.results:
        count = int((result.scores >= 0.9).sum())
        kept.append(
            replace(
                result, boxes=result.boxes[:count], exact_boxes=result.exact_boxes[:count],
                scores=result.scores[:count], mask_scores=result.mask_scores[:count], classes=result.classes[:count],
                mask_counts=result.mask_counts[:count],
            )
        )  # fmt: skip
    hints = find_hints(replace(nano_case, results=tuple(kept)).evidence)
    assert [hint.cause for hint in hints] == ["hidden by threshold"]
    assert "export with a lower --score-threshold" in hints[0].text


def tagged(path: Path, pixels: Image, orientation: int) -> None:
    """A JPEG with an EXIF orientation."""
    jpeg = cv2.imencode(".jpg", pixels)[1].tobytes()
    tiff = b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01" + orientation.to_bytes(2, "big") + b"\0\0\0\0\0\0"
    exif = b"Exif\0\0" + tiff
    path.write_bytes(jpeg[:2] + b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif + jpeg[2:])


@pytest.mark.parametrize("every", [1, 2])
def test_annotations_in_another_exif_orientation(nano_case: Case, tmp_path: Path, every: int) -> None:
    """Pictures that say "turned by 180 degrees", annotated as they are stored: sizes do not tell."""
    images, is_turned = [], {}
    for number, image in enumerate(nano_case.dataset.images):
        is_turned[image.id] = number % every == 0
        path = tmp_path / image.path.name
        tagged(path, image.read(), 3 if is_turned[image.id] else 1)
        images.append(replace(image, path=path))
    changed: Dataset = replace(nano_case.dataset, images=tuple(images))
    results = []
    for result in nano_case.results:  # what the model finds in the pictures as they are shown
        if is_turned[result.image_id]:
            flip = np.array([result.width, result.height, result.width, result.height])
            boxes = (flip - result.boxes)[:, [2, 3, 0, 1]]
            result = replace(result, boxes=boxes, exact_boxes=boxes.astype(np.float64))
        results.append(result)
    case = replace(nano_case, dataset=changed, results=tuple(results))
    assert causes(case) == ["EXIF orientation"]
    assert "--exif ignore" in text(case)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("size", "words"), [(550, "a smaller image_size than 550"), (128, "a larger image_size than 128")]
)
def test_a_wrong_image_size_with_anchors_as_they_were(size: int, words: str) -> None:
    """A configuration file that names another image_size and the old scales: boxes are right, objects are not found."""
    with Predictor.open(NANO_WEIGHTS, device="cpu", threads=1) as predictor:
        config = replace(predictor.metadata.config, image_size=size)
    case = case_of(NANO_WEIGHTS, NANO, limit=24)
    with Predictor.open(NANO_WEIGHTS, device="cpu", threads=1, config=config) as predictor:
        results = tuple(run_images(predictor, case.dataset.images))
        wrong = replace(case, results=results, metadata=predictor.metadata)
        (hint,) = find_hints(wrong.evidence, predictor)
    assert hint.cause == "image size"
    assert words in hint.text
