"""A model against the annotations as JSON."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np

from yolact_deploy.benchmarks.judge.errors import NOTHING
from yolact_deploy.benchmarks.judge.judgement import Judgement
from yolact_deploy.benchmarks.judge.thresholds import ClassCurve, Operating

CURVE_POINTS = 200  # of a class, at most: all of them where there are fewer


def judgement_json(judgement: Judgement) -> dict[str, Any]:
    """Counts as whole numbers; AP, scores, precision and recall as fractions; null where there is nothing."""
    errors = judgement.errors
    return {
        "score": errors.score,
        "iou": errors.iou,
        "errors": {
            "total": _without_name(asdict(errors.total)),
            "per_class": {item.name: _without_name(asdict(item)) for item in errors.per_class},
        },
        "cost": None if judgement.costs is None else asdict(judgement.costs),
        "confusion": {
            "classes": [*(item.name for item in errors.per_class), NOTHING],
            "annotated_by_found": [list(row) for row in errors.confusion],
        },
        "thresholds": {
            item.name: {
                "best_f1": _operating(item.best_f1),
                "at_precision": _operating(item.at_precision),
                "at_recall": _operating(item.at_recall),
                "curve": curve_json(curve),
            }
            for item, curve in zip(judgement.thresholds, judgement.curves, strict=True)
        },
        "hints": [asdict(hint) for hint in judgement.hints],
        "worst_images": [{"file_name": item.file_name, "errors": item.counts} for item in judgement.worst],
    }


def curve_json(curve: ClassCurve) -> dict[str, list[float]]:
    """Precision, recall and F1 of the detections of at least each score, the highest score first."""
    scores, precision, recall = sampled(curve)
    f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-12)
    columns = {"score": scores, "precision": precision, "recall": recall, "f1": f1}
    return {name: [round(float(value), 4) for value in values] for name, values in columns.items()}


def sampled(curve: ClassCurve) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Score, precision and recall [P] at up to CURVE_POINTS thresholds, evenly among all."""
    if not len(curve.scores):
        return np.zeros(0), np.zeros(0), np.zeros(0)
    count = len(curve.ends)
    places = np.unique(np.linspace(0, count - 1, min(count, CURVE_POINTS)).round().astype(int))
    return curve.scores[curve.ends[places] - 1], curve.precision[places], curve.recall[places]


def _operating(chosen: Operating | None) -> dict[str, float] | None:
    return None if chosen is None else {**asdict(chosen), "f1": chosen.f1}


def _without_name(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name != "name"}
