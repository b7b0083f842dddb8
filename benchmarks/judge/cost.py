"""What each kind of error costs in AP: how much higher it would be, were this kind alone put right.

As TIDE defines it (Bolya et al., ECCV 2020, section 2.3): a wrong class or a poor box is put right, other wrong
detections are dropped, missed objects are no longer counted. An object that several detections of these kinds are about
goes to the best of them; the others are dropped. AP is COCO's, of boxes at one IoU, mean over the classes that have
objects.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from yolact_deploy.benchmarks.judge.errors import missed_objects
from yolact_deploy.benchmarks.judge.pairing import Kind, Pairing
from yolact_deploy.types import BoolArray, FloatArray, IntArray

RECALLS = np.linspace(0, 1, 101)  # where COCO reads the precision
_MENDED = (Kind.WRONG_CLASS, Kind.POOR_BOX)
_DROPPED = (Kind.DUPLICATE, Kind.FALSE, Kind.WRONG_CLASS_AND_BOX)


@dataclass(frozen=True)
class ErrorCosts:
    """AP that each kind of error costs, as fractions, over detections of all scores. They do not add up to 1 - ap."""

    ap: float  # of boxes at the stated IoU
    missed: float
    false: float
    wrong_class: float
    duplicate: float
    poor_box: float
    poor_mask: float  # how much lower AP is when the mask has to fit as well
    wrong_class_and_box: float


def error_costs(pairing: Pairing) -> ErrorCosts | None:
    """None where the data set has no object."""
    objects = pairing.truth.objects_per_class
    if not objects.any():
        return None
    counted = pairing.kinds != Kind.NOT_COUNTED
    base = _mean_ap(pairing.scores, pairing.classes, pairing.has_object, counted, objects)
    costs = {}
    for kind in _MENDED:
        is_kind, mended = pairing.kinds == kind, _mended(pairing)
        classes = pairing.classes.copy()
        mine = np.flatnonzero(is_kind & mended)
        classes[mine] = pairing.truth.classes[pairing.objects[mine]]
        right = pairing.has_object | (is_kind & mended)
        costs[kind] = _mean_ap(pairing.scores, classes, right, counted & (~is_kind | mended), objects) - base
    for kind in _DROPPED:
        kept = counted & (pairing.kinds != kind)
        costs[kind] = _mean_ap(pairing.scores, pairing.classes, pairing.has_object, kept, objects) - base
    missed = missed_objects(pairing, np.ones(len(pairing.scores), np.bool_))
    left = objects - np.bincount(pairing.truth.classes[missed], minlength=len(objects))
    without_missed = _mean_ap(pairing.scores, pairing.classes, pairing.has_object, counted, left, objects > 0)
    with_masks = _mean_ap(pairing.scores, pairing.classes, pairing.kinds == Kind.FOUND, counted, objects)
    return ErrorCosts(
        ap=base,
        missed=without_missed - base,
        poor_mask=base - with_masks,
        **{kind.name.lower(): cost for kind, cost in costs.items()},
    )


def _mended(pairing: Pairing) -> BoolArray:
    """[D]: the best detection of a wrong class or a poor box about each object that no detection has taken."""
    free = ~pairing.truth.is_crowd
    free[pairing.objects[pairing.has_object]] = False
    candidates = np.flatnonzero(np.isin(pairing.kinds, _MENDED))
    candidates = candidates[free[pairing.objects[candidates]]]
    candidates = candidates[np.argsort(pairing.scores[candidates], kind="stable")]
    best = np.full(len(free), -1, np.int64)
    best[pairing.objects[candidates]] = candidates  # the best comes last and stays
    mended = np.zeros(len(pairing.scores), np.bool_)
    mended[best[best >= 0]] = True
    return mended


def _mean_ap(
    scores: FloatArray,
    classes: IntArray,
    right: BoolArray,
    kept: BoolArray,
    objects: IntArray,
    evaluated: BoolArray | None = None,
) -> float:
    """Mean AP over the classes `evaluated` [C], those with objects [C] if None, of the detections `kept` [D]."""
    evaluated = objects > 0 if evaluated is None else evaluated
    order = np.flatnonzero(kept)
    order = order[np.argsort(-scores[order], kind="stable")]
    aps = [
        average_precision(right[order[classes[order] == index]], int(objects[index]))
        for index in np.flatnonzero(evaluated)
    ]
    return float(np.mean(aps))


def average_precision(right: BoolArray, objects: int) -> float:
    """COCO's AP of one class: right [D], best score first. 1 where no object is left to find."""
    if objects == 0:
        return 1.0
    precision, recall = precision_and_recall(right, objects)
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    places = np.searchsorted(recall, RECALLS, side="left")
    return float(np.append(envelope, 0.0)[places].mean())


def precision_and_recall(right: BoolArray, objects: int) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """After each detection [D], best score first."""
    hits = np.cumsum(right)
    return hits / np.arange(1, len(right) + 1), hits / max(objects, 1)
