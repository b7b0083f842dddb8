"""Precision, recall and F1 of each class over the score, and the scores that meet a demand."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from yolact_deploy.benchmarks.judge.calibration import expected_precision
from yolact_deploy.benchmarks.judge.pairing import Kind, Pairing
from yolact_deploy.types import BoolArray, FloatArray


@dataclass(frozen=True)
class Operating:
    """A score threshold and what it gives."""

    score: float  # detections of at least this score are kept
    precision: float
    recall: float

    @property
    def f1(self) -> float:
        """Harmonic mean of the two."""
        total = self.precision + self.recall
        return 2 * self.precision * self.recall / total if total else 0.0


@dataclass(frozen=True)
class ClassCurve:
    """The detections of a class, best score first. Right: its box and its mask fit an object of its class."""

    name: str
    objects: int  # annotated
    scores: FloatArray  # [D]
    right: BoolArray  # [D]

    @property
    def ends(self) -> npt.NDArray[np.int64]:
        """[T]: number of detections kept at each score that differs from the next."""
        return np.flatnonzero(np.append(self.scores[:-1] != self.scores[1:], True)[: len(self.scores)]) + 1

    @property
    def precision(self) -> npt.NDArray[np.float64]:
        """[T], of the detections kept."""
        return np.cumsum(self.right)[self.ends - 1] / self.ends if len(self.right) else np.zeros(0)

    @property
    def recall(self) -> npt.NDArray[np.float64]:
        """[T], share of the objects found."""
        return np.cumsum(self.right)[self.ends - 1] / max(self.objects, 1) if len(self.right) else np.zeros(0)

    def at(self, place: int) -> Operating:
        """Threshold number `place` of T."""
        score = float(self.scores[self.ends[place] - 1])
        return Operating(score, float(self.precision[place]), float(self.recall[place]))

    def best_f1(self) -> Operating | None:
        """The highest F1; of equal ones that of the highest score. None without an object or a detection."""
        if not self.objects or not len(self.scores):
            return None
        precision, recall = self.precision, self.recall
        return self.at(int(np.argmax(2 * precision * recall / np.maximum(precision + recall, 1e-12))))

    def at_precision(self, wanted: float) -> Operating | None:
        """The lowest score from which precision is at least `wanted`; None where it is not reached.

        Both the precision counted and the one that `expected_precision` smooths have to be: the lowest of many scores
        is one where chance was kind, and on other pictures precision would fall short.
        """
        if not self.objects or not len(self.scores):
            return None
        smooth = expected_precision(self.scores, self.right)[self.ends - 1]
        places = np.flatnonzero((self.precision >= wanted) & (smooth >= wanted) & (self.recall > 0))
        return self.at(int(places[-1])) if len(places) else None

    def at_recall(self, wanted: float) -> Operating | None:
        """The highest score down to which `wanted` of the objects are found; None where it is not reached."""
        if not self.objects or not len(self.scores):
            return None
        places = np.flatnonzero(self.recall >= wanted)
        return self.at(int(places[0])) if len(places) else None


@dataclass(frozen=True)
class ClassThresholds:
    """The scores to choose from for one class. None: not reached, or, for a demand, not asked for."""

    name: str
    objects: int
    best_f1: Operating | None
    at_precision: Operating | None = None
    at_recall: Operating | None = None


def class_thresholds(curve: ClassCurve, precision: float | None, recall: float | None) -> ClassThresholds:
    """precision, recall: what is demanded, 0..1; None: nothing."""
    return ClassThresholds(
        curve.name,
        curve.objects,
        curve.best_f1(),
        None if precision is None else curve.at_precision(precision),
        None if recall is None else curve.at_recall(recall),
    )


def class_curves(pairing: Pairing) -> tuple[ClassCurve, ...]:
    """One for each category, by id. Detections in crowd regions do not count."""
    counted = np.flatnonzero(pairing.kinds != Kind.NOT_COUNTED)
    ordered = counted[np.argsort(-pairing.scores[counted], kind="stable")]
    objects = pairing.truth.objects_per_class
    curves = []
    for index, category in enumerate(pairing.truth.categories):
        mine = ordered[pairing.classes[ordered] == index]
        right = pairing.kinds[mine] == Kind.FOUND
        curves.append(ClassCurve(category.name, int(objects[index]), pairing.scores[mine], right))
    return tuple(curves)
