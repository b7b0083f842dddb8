"""Made-up detections with holes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from yolact_deploy.detections import Detections
from yolact_deploy.types import BoolArray

NAMES = ("bolt", "nut")
SIZE = (40, 60)  # height, width, px


def ring(box: Sequence[int]) -> BoolArray:
    """A filled box with a hole in its middle, and a corner cut off."""
    x1, y1, x2, y2 = box
    mask = np.zeros(SIZE, np.bool_)
    mask[y1:y2, x1:x2] = True
    mask[y1 + 5 : y2 - 7, x1 + 6 : x2 - 5] = False
    mask[y1 : y1 + 2, x1 : x1 + 3] = False
    return mask


def found_rings() -> Detections:
    """Three bolts and two nuts, best first, some of them over the edge of others."""
    boxes = np.array([[2 + 9 * index, 3 + 2 * index, 22 + 9 * index, 23 + 2 * index] for index in range(5)])
    scores = np.array([0.9, 0.8, 0.7, 0.6, 0.43], np.float32)
    masks = np.stack([ring(box) for box in boxes.tolist()])
    return Detections(boxes, scores, scores, np.array([0, 1, 0, 1, 0]), masks, NAMES)
