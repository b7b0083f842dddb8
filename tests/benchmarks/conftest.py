"""A small data set in COCO format, made to be changed by tests; and detections made by hand."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from yolact_deploy.benchmarks.accuracy.image_results import ImageResult, image_result
from yolact_deploy.types import Detections

Content = dict[str, Any]
MakeFolder = Callable[..., Path]

HEIGHT, WIDTH = 60, 80


def tiny_content() -> Content:
    """Three images: one with a polygon and a crowd, one with compressed run lengths, one without objects."""
    return {
        "images": [
            {"id": 30, "file_name": "c.png", "height": HEIGHT, "width": WIDTH},
            {"id": 10, "file_name": "a.png", "height": HEIGHT, "width": WIDTH},
            {"id": 20, "file_name": "b.png", "height": HEIGHT, "width": WIDTH},
        ],
        "categories": [{"id": 7, "name": "cat"}, {"id": 3, "name": "dog"}],
        "annotations": [
            annotation(0, 10, 7, [10, 10, 20, 30], [[10, 10, 30, 10, 30, 40, 10, 40]]),
            annotation(1, 10, 3, [50, 0, 20, 60], {"size": [60, 80], "counts": [50 * 60, 20 * 60, 10 * 60]}, crowd=1),
            annotation(2, 20, 3, [0, 0, 80, 60], {"size": [60, 80], "counts": "0Pf4"}),
        ],
    }


def annotation(
    number: int, image_id: int, category_id: int, box: list[float], segmentation: Any, crowd: int = 0
) -> Content:
    return {
        "id": number,
        "image_id": image_id,
        "category_id": category_id,
        "bbox": box,
        "area": box[2] * box[3],
        "segmentation": segmentation,
        "iscrowd": crowd,
    }


@pytest.fixture
def make_folder(tmp_path: Path) -> MakeFolder:
    """Writes a data folder with this content and with the images that it names."""

    def make(content: Any = None, images: str = "images", size: tuple[int, int] = (HEIGHT, WIDTH)) -> Path:
        content = tiny_content() if content is None else content
        folder = tmp_path / "data"
        (folder / images).mkdir(parents=True, exist_ok=True)
        text = content if isinstance(content, str) else json.dumps(content)
        (folder / "instances.json").write_text(text)
        for name in ("a.png", "b.png", "c.png"):
            cv2.imwrite(str(folder / images / name), np.full((*size, 3), 90, np.uint8))
        return folder

    return make


def detections(
    boxes: Sequence[Sequence[int]],
    scores: Sequence[float],
    classes: Sequence[int],
    mask_scores: Sequence[float] | None = None,
    height: int = HEIGHT,
    width: int = WIDTH,
) -> Detections:
    """Detections whose masks fill their boxes."""
    masks = np.zeros((len(boxes), height, width), np.bool_)
    for mask, (x1, y1, x2, y2) in zip(masks, boxes, strict=True):
        mask[y1:y2, x1:x2] = True
    return Detections(
        boxes=np.array(boxes, np.int64).reshape(-1, 4),
        scores=np.array(scores, np.float32),
        mask_scores=np.array(scores if mask_scores is None else mask_scores, np.float32),
        classes=np.array(classes, np.int64),
        masks=masks,
    )


def result(
    image_id: int,
    boxes: Sequence[Sequence[int]] = (),
    scores: Sequence[float] = (),
    classes: Sequence[int] = (),
    mask_scores: Sequence[float] | None = None,
) -> ImageResult:
    """The same as a result of one image."""
    return image_result(image_id, detections(boxes, scores, classes, mask_scores))
