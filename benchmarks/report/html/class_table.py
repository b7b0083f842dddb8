"""AP by class, and how far it is from the reference."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from yolact_deploy.benchmarks.report.html.view import KINDS, ModelView, points


@dataclass(frozen=True)
class ClassRow:
    """AP of one class, points: a pair of box and mask for each model."""

    name: str
    aps: tuple[tuple[float | None, float | None], ...]
    differences: tuple[tuple[float | None, float | None], ...]  # to the reference; None for itself

    @property
    def worst(self) -> float | None:
        """The largest difference either way; None where there is nothing to compare."""
        found = [abs(value) for pair in self.differences for value in pair if value is not None]
        return max(found, default=None)


def class_rows(models: Sequence[ModelView], reference: ModelView | None) -> list[ClassRow]:
    """A row a class: the largest difference first; without a reference, the lowest mask AP of the first model first."""
    rows = []
    for name in models[0].json["accuracy"]["box"]["per_class"]:
        aps = tuple(_class_ap(model, name) for model in models)
        base = _class_ap(reference, name) if reference else (None, None)
        differences = tuple(
            tuple(
                None if model is reference or ap is None or other is None else ap - other
                for ap, other in zip(pair, base, strict=True)
            )
            for model, pair in zip(models, aps, strict=True)
        )
        rows.append(ClassRow(name, aps, differences))  # type: ignore[arg-type]
    if reference is not None and len(models) > 1:
        return sorted(rows, key=lambda row: -1.0 if row.worst is None else row.worst, reverse=True)
    return sorted(rows, key=lambda row: math.inf if row.aps[0][1] is None else row.aps[0][1])


def _class_ap(model: ModelView, name: str) -> tuple[float | None, float | None]:
    box, mask = (points(model.json["accuracy"][kind]["per_class"].get(name)) for kind in KINDS)
    return box, mask
