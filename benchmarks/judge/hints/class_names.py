"""Classes that are found as other classes: names in another order, or ids off by one."""

from __future__ import annotations

import numpy as np

from yolact_deploy.benchmarks.judge.hints.evidence import Evidence, Hint
from yolact_deploy.benchmarks.judge.pairing import Pairing
from yolact_deploy.types import IntArray

MIN_PER_CLASS = 5  # objects that are found as anything
DOMINANT = 0.6  # share of a class's objects found as one and the same class
ALMOST_ALL = 0.75  # of the classes that are found as something: shifted by one place
_SHOWN = 3


def class_hints(evidence: Evidence) -> list[Hint]:
    """Nothing unless two or more classes are found as each other's, one to one."""
    pairing = evidence.pairing
    found_as = found_as_matrix(pairing)
    totals = found_as.sum(axis=1)
    known = np.flatnonzero(totals >= MIN_PER_CLASS)
    shares = found_as[known] / totals[known, None]
    best = shares.argmax(axis=1)
    is_dominant = shares.max(axis=1) >= DOMINANT
    moved = {
        int(row): (int(to), float(share[to]))
        for row, to, share, is_clear in zip(known, best, shares, is_dominant, strict=True)
        if is_clear and row != to
    }
    targets = [to for to, _ in moved.values()]
    dominated = [int(to) for to, is_clear in zip(best, is_dominant, strict=True) if is_clear]
    if len(moved) < 2 or len(set(dominated)) < len(dominated):  # two classes found as one are no mix-up of names
        return []
    if not set(targets) & set(moved):
        return []
    names = [category.name for category in pairing.truth.categories]
    order = sorted(moved, key=lambda row: -moved[row][1])
    told = ", ".join(
        f"{names[row]} is found as {names[moved[row][0]]} in {moved[row][1]:.0%}" for row in order[:_SHOWN]
    )
    more = f" and {len(order) - _SHOWN} more" if len(order) > _SHOWN else ""
    steps = _steps(moved, len(names))
    if len(names) > 2 and len(steps) == 1 and len(moved) >= ALMOST_ALL * int(is_dominant.sum()):
        return [Hint("class ids", f"{told}{more}: each class is found as its neighbour: are the class ids off by one?")]
    return [Hint("class names", f"{told}{more}: are the class names in order?")]


def _steps(moved: dict[int, tuple[int, float]], count: int) -> set[int]:
    """By how many places classes are shifted, the last one beside the first; +1 or -1, else 0."""
    found = {(to - row + count // 2) % count - count // 2 for row, (to, _) in moved.items()}
    return {step if abs(step) == 1 else 0 for step in found} if found != {0} else set()


def found_as_matrix(pairing: Pairing) -> IntArray:
    """[C,C]: class of the best detection whose box fits an object, whatever its class, by the object's class."""
    truth, count = pairing.truth, len(pairing.truth.categories)
    fits = np.flatnonzero(fitting(pairing))
    fits = fits[np.argsort(pairing.scores[fits], kind="stable")]
    best = np.full(len(truth), -1, np.int64)
    best[pairing.nearest[fits]] = fits  # the best comes last and stays
    objects = np.flatnonzero(best >= 0)
    matrix = np.zeros((count, count), np.int64)
    np.add.at(matrix, (truth.classes[objects], pairing.classes[best[objects]]), 1)
    return matrix


def fitting(pairing: Pairing) -> np.ndarray:
    """[D]: whether the box fits any object, whatever its class."""
    return pairing.nearest_ious >= pairing.iou
