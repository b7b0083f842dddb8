"""The images that differ most: their order, their numbers and their pictures, on detections made by hand."""

from __future__ import annotations

import base64
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.benchmarks.conftest import HEIGHT, WIDTH, detections, result
from yolact_deploy.benchmarks.accuracy import difference_pictures
from yolact_deploy.benchmarks.accuracy.dataset import DataImage
from yolact_deploy.benchmarks.accuracy.difference_pictures import ONLY_MODEL, ONLY_REFERENCE, OTHER_CLASS, draw_pictures
from yolact_deploy.benchmarks.accuracy.differences import PICTURES_PER_MODEL, image_difference, largest_differences
from yolact_deploy.benchmarks.accuracy.image_results import ImageResult, image_result
from yolact_deploy.types import Image

BOX, OTHER = [10, 10, 30, 40], [40, 10, 70, 50]
NAMES = ("disk", "ring")
GREY = np.full((HEIGHT, WIDTH, 3), 100, np.uint8)


def images_of(folder: Path, count: int) -> list[DataImage]:
    paths = [folder / f"{number}.png" for number in range(count)]
    for path in paths:
        cv2.imwrite(str(path), GREY)
    return [DataImage(number, path, HEIGHT, WIDTH) for number, path in enumerate(paths)]


def picture(uri: str) -> Image:
    kind, _, data = uri.partition(",")
    assert kind == "data:image/jpeg;base64"
    decoded = cv2.imdecode(np.frombuffer(base64.b64decode(data), np.uint8), cv2.IMREAD_COLOR)
    assert decoded is not None
    return np.asarray(decoded, np.uint8)


def with_masks(boxes: list[list[int]], masks: np.ndarray) -> ImageResult:
    return image_result(0, replace(detections(boxes, [0.9] * len(boxes), [0] * len(boxes)), masks=masks))


def test_numbers_of_an_image(tmp_path: Path) -> None:
    (image,) = images_of(tmp_path, 1)
    reference = result(0, [BOX, OTHER, [0, 0, 5, 5]], [0.9, 0.5, 0.3], [0, 1, 0])
    model = result(0, [BOX, [60, 0, 80, 20], [1, 50, 20, 60]], [0.7, 0.4, 0.1], [0, 1, 0])
    found = image_difference(image, reference, model)
    assert (found.missing, found.extra, found.matched) == (2, 1, 1)  # what scores below 0.15 does not count
    assert found.min_mask_iou == 1.0
    assert found.max_score_difference == pytest.approx(0.2)
    assert found.distance == pytest.approx(0.2)


def test_unmatched_detections_rank_before_masks_and_scores(tmp_path: Path) -> None:
    images = images_of(tmp_path, 5)
    reference = [result(number, [BOX], [0.9], [0]) for number in range(5)]
    model = [
        result(0, [BOX], [0.8], [0]),  # score
        result(1, [BOX], [0.9], [0]),  # the same
        result(2, [BOX], [0.3], [0]),  # score, more
        result(3, [BOX, OTHER], [0.9, 0.2], [0, 0]),  # one too many
        result(4, [OTHER], [0.9], [0]),  # one missing, one too many
    ]
    found = largest_differences(images, reference, model, NAMES)
    assert [item.image_id for item in found] == [4, 3, 2]
    assert len(found) == PICTURES_PER_MODEL
    assert all(item.pictures for item in found)


def test_a_worse_mask_ranks_first(tmp_path: Path) -> None:
    images = images_of(tmp_path, 2)
    masks = np.zeros((1, HEIGHT, WIDTH), np.bool_)
    masks[0, 10:40, 10:29] = True
    reference = [replace(with_masks([BOX], detections([BOX], [1], [0]).masks), image_id=number) for number in range(2)]
    model = [reference[0], replace(with_masks([BOX], masks), image_id=1)]
    (only,) = largest_differences(images, reference, model, NAMES)
    assert only.image_id == 1
    assert only.min_mask_iou == pytest.approx(19 / 20)
    assert only.distance == pytest.approx(1 / 20)
    assert only.pictures is not None
    assert (only.pictures.only_reference, only.pictures.only_model) == (30, 0)


def test_what_cannot_be_seen_has_no_pictures(tmp_path: Path) -> None:
    images = images_of(tmp_path, 2)
    reference = [result(number, [BOX], [0.9], [0]) for number in range(2)]
    model = [reference[0], result(1, [BOX], [0.899], [0])]
    (least,) = largest_differences(images, reference, model, NAMES)
    assert (least.image_id, least.pictures, least.is_visible) == (1, None, False)
    assert largest_differences(images, reference, reference, NAMES) == ()


def test_only_the_difference_is_coloured() -> None:
    ours = result(0, [BOX], [0.9], [0])
    theirs = result(0, [BOX, OTHER], [0.9, 0.6], [0, 1])
    drawn = draw_pictures(GREY, ours, theirs, NAMES)
    assert (drawn.width, drawn.height) == (WIDTH, HEIGHT)
    assert (drawn.only_reference, drawn.only_model) == (0, 30 * 40)
    difference = picture(drawn.difference).astype(int)
    assert np.abs(difference[30, 55] - ONLY_MODEL).max() < 12
    assert np.ptp(difference[25, 20]) < 12  # both agree: grey, and lighter than
    assert difference[25, 20].mean() > difference[55, 5].mean() + 40  # where nothing is
    swapped = picture(draw_pictures(GREY, theirs, ours, NAMES).difference).astype(int)
    assert np.abs(swapped[30, 55] - ONLY_REFERENCE).max() < 12
    np.testing.assert_array_equal(picture(drawn.reference), picture(draw_pictures(GREY, ours, ours, NAMES).model))


def test_another_class_on_the_same_pixels_is_a_difference() -> None:
    drawn = draw_pictures(GREY, result(0, [BOX], [0.9], [0]), result(0, [BOX], [0.9], [1]), NAMES)
    assert drawn.only_reference == drawn.only_model == 20 * 30
    assert np.abs(picture(drawn.difference)[25, 20].astype(int) - OTHER_CLASS).max() < 12


def test_a_single_pixel_survives_scaling_down(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(difference_pictures, "MAX_SIDE", 20)
    masks = detections([BOX], [1], [0]).masks
    fewer = masks.copy()
    fewer[0, 20, 20] = False
    drawn = draw_pictures(GREY, with_masks([BOX], masks), with_masks([BOX], fewer), NAMES)
    assert (drawn.width, drawn.height) == (20, 15)
    assert (drawn.only_reference, drawn.only_model) == (1, 0)
    blue, _, red = picture(drawn.difference)[5, 5].astype(int)
    assert blue > red + 60
    assert picture(drawn.model).shape == (15, 20, 3)
