"""Pairing the detections of two models on one image."""

from __future__ import annotations

import numpy as np

from ..types import FloatArray, IntArray

MATCH_SCORE = 0.15  # detections below are YOLACT's long tail, whose order is noise
MATCH_IOU = 0.9  # box IoU from which two detections of a class are the same


def pairwise_iou(a: np.ndarray, b: np.ndarray) -> FloatArray:
    """IoU of boxes `a` [n,4] and `b` [m,4], x1 y1 x2 y2 in any unit -> [n,m]; 1 for equal boxes without area."""
    a, b = a.astype(np.float64)[:, None], b.astype(np.float64)[None]
    sides = np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2])
    intersection = sides.clip(min=0).prod(-1)
    union = (a[..., 2:] - a[..., :2]).prod(-1) + (b[..., 2:] - b[..., :2]).prod(-1) - intersection
    equal = (a == b).all(-1)
    return np.where(equal, 1.0, intersection / np.maximum(union, np.finfo(np.float64).tiny)).astype(np.float32)


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
