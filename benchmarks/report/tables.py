"""The tables of a report: one set for the terminal, Markdown and HTML."""

from __future__ import annotations

from yolact_deploy.benchmarks.regression.comparison import Change
from yolact_deploy.benchmarks.report.accuracy_tables import accuracy_table, detection_table, parity_table
from yolact_deploy.benchmarks.report.cells import ap_text, found_text, gate_text
from yolact_deploy.benchmarks.report.class_table import class_table
from yolact_deploy.benchmarks.report.judge_tables import judge_tables
from yolact_deploy.benchmarks.report.model import BenchReport
from yolact_deploy.benchmarks.report.speed_tables import (
    arrival_table,
    device_table,
    latency_table,
    power_table,
    stage_table,
    throughput_table,
)
from yolact_deploy.benchmarks.report.table import ABSENT, MODEL, Column, Table, fixed, mib, number, percent


def all_tables(report: BenchReport) -> list[Table]:
    """What every report shows, in order; a table without rows is left out."""
    made = [
        summary_table(report),
        latency_table(report),
        throughput_table(report),
        arrival_table(report),
        stage_table(report),
        device_table(report),
        power_table(report),
        accuracy_table(report),
        class_table(report),
        *judge_tables(report),
        detection_table(report),
        parity_table(report),
        comparison_table(report),
    ]
    return [table for table in made if table.rows]


def summary_table(report: BenchReport) -> Table:
    """Speed, accuracy, parity and size of each model, as far as they were measured."""
    has_speed, has_accuracy = report.options.measures_speed, report.options.measures_accuracy
    fastest = max((model.timing.fps for model in report.models if model.timing), default=None)
    columns = (
        MODEL,
        *((Column("FPS", full=fastest), Column("p50", "ms")) if has_speed else ()),
        Column("found", "per image"),
        *((Column("box AP", full=100), Column("mask AP", full=100)) if has_accuracy else ()),
        *((Column("matched"), Column("gate")) if has_accuracy else ()),
        *((Column("memory", "MiB"),) if has_speed else ()),
        Column("file", "MiB"),
    )
    rows = []
    for model in report.models:
        timing, accuracy = model.timing, model.accuracy
        cells = [model.name]
        if has_speed:
            cells += [number(timing.fps), number(timing.end_to_end.p50)] if timing else [ABSENT] * 2
        cells.append(found_text(model))
        if has_accuracy:
            cells += [ap_text(accuracy.box.ap), ap_text(accuracy.mask.ap)] if accuracy else [ABSENT] * 2
            cells += [percent(model.parity.matches.rate) if model.parity else ABSENT, gate_text(model)]
        if has_speed:
            cells.append(mib(model.memory.peak_bytes if model.memory else None))
        rows.append((*cells, mib(model.file_bytes)))
    parts = (*(("speed end to end",) if has_speed else ()), *(("AP in points",) if has_accuracy else ()))
    return Table("summary", f"Summary: {', '.join(parts)}", columns, tuple(rows))


def comparison_table(report: BenchReport) -> Table:
    """What changed since an older run: a row for each quantity of each model that both runs measured."""
    comparison = report.comparison
    rows = tuple(
        (model.name if index == 0 else "", f"{change.what}, {change.unit}", *_change_cells(change))
        for model in (comparison.models if comparison else ())
        for index, change in enumerate(model.changes)
    )
    names = ("old", "new", "change", "noise", "verdict")
    columns = (MODEL, Column("quantity", is_text=True), *map(Column, names))
    return Table("since", f"Since {comparison.date if comparison else ''}", columns, rows)


def _change_cells(change: Change) -> tuple[str, ...]:
    if change.is_relative:
        moved = ABSENT if change.change is None else f"{change.change:+.1%}"
        return number(change.old), number(change.new), moved, percent(change.band, 1), change.verdict
    texts = (fixed(change.old, 2), fixed(change.new, 2), fixed(change.change, 2, sign=True), fixed(change.band, 2))
    return (*texts, change.verdict)


def change_text(change: Change) -> str:
    """By how much a quantity changed, such as "+24.5%"."""
    return _change_cells(change)[2]
