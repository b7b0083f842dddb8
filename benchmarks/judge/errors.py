"""How many objects are found, missed or taken for something else, and how many detections are wrong in which way."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from yolact_deploy.benchmarks.judge.pairing import Kind, Pairing
from yolact_deploy.types import BoolArray, IntArray

TOTAL = "all classes"
NOTHING = "nothing"  # the row and the column of a confusion matrix for what has no partner


@dataclass(frozen=True)
class ErrorCounts:
    """Of one class, or of all. `objects` and `missed` go by the annotated class, the others by the model's."""

    name: str
    objects: int  # annotated, without crowd regions
    found: int  # detections whose box and mask fit an object of their class
    missed: int  # objects without a detection, and without one of `wrong_class` or `poor_box` about them
    false: int
    wrong_class: int
    duplicate: int
    poor_box: int
    poor_mask: int
    wrong_class_and_box: int

    @property
    def detections(self) -> int:
        """All that count."""
        return sum(getattr(self, field.name) for field in fields(self)[2:]) - self.missed


@dataclass(frozen=True)
class Errors:
    """The detections of a score from `score` on, against the annotations."""

    score: float
    iou: float
    per_class: tuple[ErrorCounts, ...]
    confusion: tuple[tuple[int, ...], ...]  # [C+1][C+1]: annotated class, found as; the last of both is NOTHING

    @property
    def total(self) -> ErrorCounts:
        """All classes together."""
        numbers = {
            field.name: sum(getattr(item, field.name) for item in self.per_class) for field in fields(ErrorCounts)[1:]
        }
        return ErrorCounts(TOTAL, **numbers)


def count_errors(pairing: Pairing, score: float) -> Errors:
    """Count the detections of at least `score`."""
    truth = pairing.truth
    counts = len(truth.categories)
    shown = pairing.scores >= np.float32(score)
    is_missed = missed_objects(pairing, shown)
    by_kind = {kind: np.bincount(pairing.classes[shown & (pairing.kinds == kind)], minlength=counts) for kind in Kind}
    missed = np.bincount(truth.classes[is_missed], minlength=counts)
    per_class = tuple(
        ErrorCounts(
            name=category.name,
            objects=int(truth.objects_per_class[index]),
            missed=int(missed[index]),
            **{kind.name.lower(): int(by_kind[kind][index]) for kind in Kind if kind is not Kind.NOT_COUNTED},
        )
        for index, category in enumerate(truth.categories)
    )
    matrix = confusion_matrix(pairing, shown)
    return Errors(score, pairing.iou, per_class, tuple(tuple(row) for row in matrix.tolist()))


def missed_objects(pairing: Pairing, shown: BoolArray) -> BoolArray:
    """Which objects [N] none of the detections `shown` [D] has found, nor nearly found."""
    near = shown & np.isin(pairing.kinds, (Kind.FOUND, Kind.POOR_MASK, Kind.POOR_BOX, Kind.WRONG_CLASS))
    is_missed = ~pairing.truth.is_crowd
    is_missed[pairing.objects[near]] = False
    return is_missed


def confusion_matrix(pairing: Pairing, shown: BoolArray) -> IntArray:
    """[C+1,C+1]: how often an object of the row's class is found as the column's class, by its box.

    An object that no detection of its class has taken goes to the best WRONG_CLASS detection about it; each object
    counts once. What is left stands in the last column (objects), or in the last row (detections).
    """
    truth, size = pairing.truth, len(pairing.truth.categories) + 1
    partner = np.full(len(truth), -1, np.int64)  # of each object: the detection
    wrong = np.flatnonzero(shown & (pairing.kinds == Kind.WRONG_CLASS))
    wrong = wrong[np.argsort(pairing.scores[wrong], kind="stable")]
    partner[pairing.objects[wrong]] = wrong  # the best comes last and stays
    right = np.flatnonzero(shown & pairing.has_object)
    partner[pairing.objects[right]] = right
    objects = np.flatnonzero(~truth.is_crowd)
    found_as = np.where(
        partner[objects] < 0, size - 1, pairing.classes[partner[objects]] if len(pairing.classes) else 0
    )
    alone = shown & (pairing.kinds != Kind.NOT_COUNTED)
    alone[partner[partner >= 0]] = False
    matrix = np.zeros((size, size), np.int64)
    np.add.at(matrix, (truth.classes[objects], found_as), 1)
    np.add.at(matrix, (size - 1, pairing.classes[alone]), 1)
    return matrix
