"""Pairing the detections of two models on one image."""

from __future__ import annotations

import numpy as np

from ..types import IntArray
from .boxes import pairwise_iou

MATCH_SCORE = 0.15  # detections below are YOLACT's long tail, whose order is noise
MATCH_IOU = 0.9  # box IoU from which two detections of a class are the same


def match_detections(
    reference_classes: IntArray, reference_boxes: np.ndarray, classes: IntArray, boxes: np.ndarray
) -> IntArray:
    """Pair detections one to one: each reference, in order, takes the free one of its class with the largest box IoU,
    where that is at least MATCH_IOU.

    classes [n], [m]; boxes [n,4], [m,4] in the same unit. Returns [pairs,2] int64: reference index, other index.
    """
    iou = pairwise_iou(reference_boxes, boxes)
    iou[reference_classes[:, None] != classes[None, :]] = 0
    pairs = []
    for index, row in enumerate(iou):
        if row.size == 0:
            break
        best = int(row.argmax())
        if row[best] >= MATCH_IOU:
            pairs.append((index, best))
            iou[:, best] = 0
    return np.array(pairs, np.int64).reshape(-1, 2)
