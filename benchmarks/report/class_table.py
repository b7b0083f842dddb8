"""The table of AP by class."""

from __future__ import annotations

import math

from yolact_deploy.benchmarks.report.cells import in_points
from yolact_deploy.benchmarks.report.model import BenchReport, ModelReport
from yolact_deploy.benchmarks.report.table import Column, Table, fixed


def class_table(report: BenchReport) -> Table:
    """Box and mask AP of each class. With a reference: its difference in brackets, the largest first; else the lowest
    mask AP first."""
    models = [model for model in report.models if model.accuracy is not None]
    reference = next((model for model in models if model.is_reference), None)
    compares = reference is not None and len(models) > 1
    rows: list[tuple[float, tuple[str, ...]]] = []
    names = [name for name, _ in models[0].accuracy.box.per_class] if models and models[0].accuracy else []
    for place, name in enumerate(names):
        aps = [_class_aps(model, place) for model in models]
        base = _class_aps(reference, place) if reference else (None, None)
        cells, differences = [], []
        for model, pair in zip(models, aps, strict=True):
            for ap, other in zip(pair, base, strict=True):
                difference = None if model is reference or ap is None or other is None else ap - other
                differences += [] if difference is None else [abs(difference)]
                cells.append(fixed(ap, 2) + ("" if difference is None else f" ({fixed(difference, 2, sign=True)})"))
        worst = max(differences, default=None)
        lowest = math.inf if aps[0][1] is None else aps[0][1]
        order = (1.0 if worst is None else -worst) if compares else lowest
        rows.append((order, (name, *((fixed(worst, 2),) if compares else ()), *cells)))
    columns = (
        Column("class", is_text=True),
        *((Column("largest difference"),) if compares else ()),
        *(Column(kind, full=100, model=model.name) for model in models for kind in ("box", "mask")),
    )
    ordered = tuple(cells for _, cells in sorted(rows, key=lambda row: row[0]))
    return Table("classes", "AP by class, points", columns, ordered)


def _class_aps(model: ModelReport, place: int) -> tuple[float | None, float | None]:
    """Box and mask AP of one class, points; None where the data set has no object of it."""
    if model.accuracy is None:
        return None, None
    box, mask = (in_points(kind.per_class[place][1]) for kind in (model.accuracy.box, model.accuracy.mask))
    return box, mask
