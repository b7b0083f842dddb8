"""Tables about a model against the annotations: errors, what they cost, who is taken for whom, and thresholds."""

from __future__ import annotations

from yolact_deploy.benchmarks.judge.errors import NOTHING, ErrorCounts
from yolact_deploy.benchmarks.judge.judgement import Judgement
from yolact_deploy.benchmarks.judge.thresholds import Operating
from yolact_deploy.benchmarks.report.cells import in_points
from yolact_deploy.benchmarks.report.model import BenchReport, ModelReport
from yolact_deploy.benchmarks.report.table import ABSENT, MODEL, Column, Table, fixed, percent

KINDS = ("missed", "false", "wrong_class", "duplicate", "poor_box", "poor_mask", "wrong_class_and_box")
NOT_REACHED = "not reached"
MAX_CONFUSED = 12  # classes up to which the confusion matrix is a table of its own on the terminal
_TITLES = {"wrong_class_and_box": "class and box"}


def judge_tables(report: BenchReport) -> list[Table]:
    """Those of every model that was held against annotations."""
    judged = [(model, model.judgement) for model in report.models if model.judgement is not None]
    made = [cost_table(report)]
    for model, judgement in judged:
        made += [error_table(model, judgement, len(judged)), confusion_table(model, judgement, len(judged))]
        made.append(threshold_table(report, model, judgement))
    return made


def kind_title(kind: str) -> str:
    """What the head of a column calls a kind of error."""
    return _TITLES.get(kind, kind.replace("_", " "))


def cost_table(report: BenchReport) -> Table:
    """AP that each kind of error costs, of every model."""
    columns = (MODEL, Column("box AP50"), *(Column(kind_title(kind)) for kind in KINDS))
    rows = tuple(
        (model.name, *(fixed(in_points(getattr(costs, kind)), 2) for kind in ("ap", *KINDS)))
        for model in report.models
        if model.judgement is not None and (costs := model.judgement.costs) is not None
    )
    iou = f"{report.options.iou:g}"
    title = "AP that each kind of error costs, points" + ("" if iou == "0.5" else f"; AP at IoU {iou}")
    columns = columns if iou == "0.5" else (columns[0], Column(f"box AP{iou}"), *columns[2:])
    return Table("costs", title, columns, rows)


def error_table(model: ModelReport, judgement: Judgement, models: int) -> Table:
    """Objects and detections of each class by what became of them; classes with most errors first, all of them last."""
    errors = judgement.errors
    ranked = sorted(errors.per_class, key=lambda item: item.found - item.objects - item.false - item.duplicate)
    rows = tuple(_error_cells(item) for item in (*ranked, errors.total) if item.objects or item.detections)
    columns = (
        Column("class", is_text=True),
        Column("objects"),
        Column("found"),
        *(Column(kind_title(kind)) for kind in KINDS),
    )
    title = f"Errors{_of(model, models)} from score {errors.score:g} at IoU {errors.iou:g}"
    return Table(f"errors {model.name}", title, columns, rows)


def _error_cells(item: ErrorCounts) -> tuple[str, ...]:
    return item.name, str(item.objects), str(item.found), *(str(getattr(item, kind)) for kind in KINDS)


def confusion_table(model: ModelReport, judgement: Judgement, models: int) -> Table:
    """Annotated classes (rows) and what they are found as (columns), in objects."""
    names = [item.name for item in judgement.errors.per_class]
    matrix = judgement.errors.confusion
    columns = (Column("annotated", is_text=True), *(Column(name) for name in names), Column("missed"))
    rows = tuple(
        (name, *(str(count) if count else ABSENT for count in row))
        for name, row in zip((*names, NOTHING), matrix, strict=True)
        if any(row)
    )
    title = f"Confusion matrix{_of(model, models)}: objects found as, from score {judgement.errors.score:g}"
    return Table(f"confusion {model.name}", title, columns, rows)


def threshold_table(report: BenchReport, model: ModelReport, judgement: Judgement) -> Table:
    """Of each class the score with the best F1, and those that meet what was demanded."""
    options = report.options
    demands = [("at_precision", "precision", options.at_precision), ("at_recall", "recall", options.at_recall)]
    asked = [(field, f"{name} {value:.0%}") for field, name, value in demands if value is not None]
    columns = (
        Column("class", is_text=True),
        Column("best F1"),
        Column("at score"),
        Column("precision"),
        Column("recall"),
        *(Column(title) for _, what in asked for title in (f"score for {what}", "precision", "recall")),
    )
    rows = tuple(
        (
            item.name,
            *_best_cells(item.best_f1),
            *(cell for field, _ in asked for cell in _operating_cells(getattr(item, field))),
        )
        for item in judgement.thresholds
        if item.objects
    )
    models = sum(item.judgement is not None for item in report.models)
    return Table(f"thresholds {model.name}", f"Score thresholds{_of(model, models)}", columns, rows)


def _best_cells(best: Operating | None) -> tuple[str, ...]:
    if best is None:
        return (ABSENT,) * 4
    return fixed(best.f1, 3), *_operating_cells(best)


def _operating_cells(chosen: Operating | None) -> tuple[str, ...]:
    if chosen is None:
        return NOT_REACHED, ABSENT, ABSENT
    return fixed(chosen.score, 3), percent(chosen.precision, 1), percent(chosen.recall, 1)


def _of(model: ModelReport, models: int) -> str:
    return f" of {model.name}" if models > 1 else ""
