"""Made-up results for sinks."""

from __future__ import annotations

import numpy as np

from yolact_deploy.formats.window import window_of
from yolact_deploy.inference.frames import Frame, Result
from yolact_deploy.types import BoolArray, Image, WindowedDetections


def result(
    index: int, image: Image, name: str = "", time_s: float | None = None, classes: tuple[int, ...] = ()
) -> Result:
    """An image with one detection for each of `classes`, an L-shaped mask from (2, 1)."""
    height, width = image.shape[:2]
    count = len(classes)
    masks = np.zeros((count, height, width), np.bool_)
    masks[:, 1:9, 2:4] = masks[:, 7:9, 2:12] = True
    scores = np.linspace(0.9, 0.6, count, dtype=np.float32)
    boxes = np.tile(np.array([[2, 1, 12, 9]], np.int64), (count, 1))
    windows = tuple(map(window_of, masks))
    found = WindowedDetections(boxes, scores, scores / 2, np.array(classes, np.int64), windows, height, width)
    return Result(Frame(index, index + 1, name or f"{index}.png", image, time_s), found, image)


def mask_of(result: Result, index: int) -> BoolArray:
    found = result.detections
    mask = np.zeros((found.height, found.width), np.bool_)
    mask[found.masks[index].rows, found.masks[index].columns] = found.masks[index].inside
    return mask


def grey(value: int, height: int = 48, width: int = 64) -> Image:
    return np.full((height, width, 3), value, np.uint8)
