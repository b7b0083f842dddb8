"""Tables about accuracy and parity. A model whose accuracy was not measured has no row."""

from __future__ import annotations

from collections.abc import Sequence

from yolact_deploy.benchmarks.accuracy.average_precision import AveragePrecision
from yolact_deploy.benchmarks.accuracy.parity import MATCH_SCORE
from yolact_deploy.benchmarks.report.cells import ap_text, found_text, gate_text
from yolact_deploy.benchmarks.report.model import BenchReport
from yolact_deploy.benchmarks.report.table import MODEL, Column, Table, fixed, number, percent

_AREAS = ("AP", "AP50", "AP75", "small", "medium", "large")


def accuracy_table(report: BenchReport) -> Table:
    """Box and mask AP of each model, in points."""
    rows = tuple(
        (model.name if kind == "box" else "", kind, *(ap_text(value) for value in _values(precision)))
        for model in report.models
        if model.accuracy is not None
        for kind, precision in (("box", model.accuracy.box), ("mask", model.accuracy.mask))
    )
    columns = (MODEL, Column("of", is_text=True), *map(Column, _AREAS))
    return Table("accuracy", "Accuracy, COCO AP in points", columns, rows)


def detection_table(report: BenchReport) -> Table:
    """How much each model finds."""
    rows = tuple(
        (
            model.name,
            found_text(model),
            number(model.detections.confident / model.detections.images),
            f"{model.detections.images_without} of {model.detections.images}",
        )
        for model in report.models
    )
    columns = (MODEL, Column("all"), Column(f"of score >= {MATCH_SCORE:g}"), Column("images without"))
    return Table("detections", "Detections per image", columns, rows)


def parity_table(report: BenchReport) -> Table:
    """Each model against the reference."""
    names = ("box AP", "mask AP", "matched", "mask IoU", "gate")
    rows = tuple(
        (
            model.name,
            model.precision,
            fixed(model.parity.box_difference, 3, sign=True),
            fixed(model.parity.mask_difference, 3, sign=True),
            percent(model.parity.matches.rate),
            fixed(model.parity.matches.mean_mask_iou, 4),
            gate_text(model),
        )
        for model in report.models
        if model.parity is not None
    )
    title = f"Parity with {report.reference}, AP differences in points"
    return Table("parity", title, (MODEL, Column("precision", is_text=True), *map(Column, names)), rows)


def _values(precision: AveragePrecision) -> Sequence[float]:
    return (precision.ap, precision.ap50, precision.ap75, precision.small, precision.medium, precision.large)
