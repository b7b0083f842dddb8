"""What the kernels must give, in NumPy: for machines without PyTorch. The tests hold it to `ops/postprocess.py`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from yolact_deploy.config.postprocess import PostprocessConfig
from yolact_deploy.ops.boxes import CENTER_VARIANCE, FINITE_LIMIT, MIN_AREA, SIZE_VARIANCE, crop_windows
from yolact_deploy.types import FloatArray, IntArray


@dataclass(frozen=True)
class Kept:
    """What Fast NMS keeps of one image, best score first."""

    boxes: FloatArray  # [D,4] x1 y1 x2 y2, relative to the image
    scores: FloatArray  # [D]
    classes: IntArray  # [D]
    coefs: FloatArray  # [D,K]


def fast_nms(
    loc: FloatArray, conf: FloatArray, coef: FloatArray, priors: FloatArray, config: PostprocessConfig
) -> Kept:
    """As `postprocess.fast_nms`: loc [N,4], conf [N,1+C] after softmax, coef [N,K], priors [N,4], all float32."""
    with np.errstate(all="ignore"):  # inputs may be infinite or NaN
        boxes = _decode(loc, priors)
        scores = conf[:, 1:]
        finite = (np.abs(scores.sum(1)) <= FINITE_LIMIT) & (np.abs(boxes).sum(1) <= FINITE_LIMIT)
        candidates = np.flatnonzero((scores > config.score_threshold).any(1) & finite)
    if config.candidates_per_level:
        candidates = _best_of_levels(candidates, scores.max(1), config)
    if config.clip_boxes:
        boxes = boxes.clip(0, 1)
    scores, boxes = scores[candidates], boxes[candidates]
    classes = np.broadcast_to(np.arange(scores.shape[1]), scores.shape)
    if config.cross_class:
        classes = scores.argmax(1)[:, None]
        scores = np.take_along_axis(scores, classes, 1)
    order = np.argsort(-scores.T, axis=1, kind="stable")[:, : config.top_k]  # [C',n]
    ranked = np.take_along_axis(scores.T, order, 1)
    survives = ~(_iou_with_better(boxes[order]) > config.iou_threshold).any(1)  # [C',n]
    if config.threshold_per_class:
        survives &= ranked > config.score_threshold
    flat_scores, flat_order = ranked[survives], order[survives]
    flat_classes = np.take_along_axis(classes.T, order, 1)[survives]
    best = np.argsort(-flat_scores, kind="stable")[: config.output_count]
    kept = flat_order[best]
    return Kept(boxes[kept], flat_scores[best], flat_classes[best], coef[candidates[kept]])


def _best_of_levels(candidates: IntArray, best: FloatArray, config: PostprocessConfig) -> IntArray:
    """Of the candidates of each level those with the highest scores `best` [N], in the order of all priors."""
    levels = np.split(candidates, np.searchsorted(candidates, np.cumsum(config.level_priors)[:-1]))
    ranked = (level[np.argsort(-best[level], kind="stable")] for level in levels)
    return np.sort(np.concatenate([level[: config.candidates_per_level] for level in ranked]))


def assemble_masks(proto: FloatArray, coefs: FloatArray, boxes: FloatArray) -> FloatArray:
    """As `postprocess.assemble_masks`: proto [Hp,Wp,K], coefs [D,K], boxes [D,4] -> [D,Hp,Wp], all float32."""
    height, width, _ = proto.shape
    masks = np.zeros((len(coefs), height, width), np.float32)
    for mask, coef, (x1, y1, x2, y2) in zip(masks, coefs, crop_windows(boxes, height, width).tolist(), strict=True):
        with np.errstate(over="ignore"):  # exp of a large logit: 1 / inf is the right 0
            mask[y1:y2, x1:x2] = 1 / (1 + np.exp(-(proto[y1:y2, x1:x2] @ coef)))
    return masks


def _decode(loc: FloatArray, priors: FloatArray) -> FloatArray:
    """As `boxes.decode`, in the same order of operations."""
    centers = priors[:, :2] + loc[:, :2] * np.float32(CENTER_VARIANCE) * priors[:, 2:]
    sizes = priors[:, 2:] * np.exp(loc[:, 2:] * np.float32(SIZE_VARIANCE))
    top_left = centers - sizes / 2
    return np.concatenate((top_left, sizes + top_left), axis=1)


def _iou_with_better(boxes: FloatArray) -> FloatArray:
    """IoU [C,n,n] of boxes [C,n,4], row with column; 0 where the row is not the better, that is the earlier one."""
    x1, y1, x2, y2 = np.moveaxis(boxes, -1, 0)  # each [C,n]
    width = np.minimum(x2[:, :, None], x2[:, None]) - np.maximum(x1[:, :, None], x1[:, None])
    height = np.minimum(y2[:, :, None], y2[:, None]) - np.maximum(y1[:, :, None], y1[:, None])
    intersection = np.maximum(width, 0) * np.maximum(height, 0)
    area = np.maximum((x2 - x1) * (y2 - y1), np.float32(MIN_AREA))
    return np.triu(intersection / (area[:, :, None] + area[:, None] - intersection), 1)
