"""A benchmark's report: on the terminal, as JSON, as Markdown."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from .. import console
from .accuracy import NOT_AVAILABLE
from .bench import BenchReport, ModelReport
from .device_times import DEVICE_REGIONS
from .progress import shown_progress
from .stages import REGIONS
from .tables import TextTable, all_tables, class_table
from .timing import Latency

__all__ = ["alarms", "print_report", "shown_progress", "summary", "to_json", "to_markdown"]

JSON_FORMAT = 2  # grows when a reader of this version could misread a file


def print_report(report: BenchReport) -> None:
    """The whole report on stdout: tables that fit 100 columns, then what the numbers mean, then what is wrong."""
    for table in all_tables(report):
        console.say(table.title, style="bold")
        console.show_table(table.columns, table.rows, numbers=table.columns[1:])
        console.say()
    for line in _explanations(report):
        console.say(line)
    console.say()
    for line in alarms(report):
        console.say(line, style="bold red")
    if report.reference is not None:
        console.say(summary(report), style="bold green" if report.passed else "bold red")


def summary(report: BenchReport) -> str:
    """The outcome of the parity gate in one line."""
    judged = [model for model in report.models if model.verdict is not None]
    failed = [model.name for model in judged if model.verdict is not None and not model.verdict.passed]
    if failed:
        return f"parity: FAIL ({', '.join(failed)})"
    return f"parity: pass ({len(judged)} compared with {report.reference})"


def alarms(report: BenchReport) -> list[str]:
    """What nobody should overlook: models that find nothing, and every criterion that is not met."""
    lines = [
        f"{model.name} DETECTS NOTHING on all {model.detections.images} images: its speed and parity mean nothing"
        for model in report.models
        if model.detects_nothing
    ]
    for model in report.models:
        if model.verdict is not None:
            lines += [f"{model.name}: {failure}" for failure in model.verdict.failures]
    return lines


def to_json(report: BenchReport) -> dict[str, Any]:
    """Plain values with stable keys: AP as fractions (null where not available), times in ms, memory in bytes."""
    return {
        "format": JSON_FORMAT,
        "passed": report.passed,
        "reference": report.reference,
        "data": {"description": report.data, "folder": str(report.data_folder)},
        "hardware": _plain(report.hardware),
        "options": _plain(report.options),
        "measured_regions": {**REGIONS, **DEVICE_REGIONS},
        "models": [_model_json(model) for model in report.models],
        "notes": [*report.notes, *alarms(report)],
    }


def to_markdown(report: BenchReport) -> str:
    """The same as the terminal shows, and AP by class."""
    parts = ["# yolact-deploy bench", *[f"**{line}**" for line in alarms(report)]]
    if report.reference is not None:
        parts.append(f"**{summary(report)}**")
    for table in (*all_tables(report), class_table(report)):
        parts += [f"## {table.title}", _markdown_table(table)]
    parts += ["## What was measured", "\n".join(f"- {_escaped(line)}" for line in _explanations(report))]
    return "\n\n".join(parts) + "\n"


def _explanations(report: BenchReport) -> list[str]:
    """What the numbers mean and where they come from, a line each."""
    first = report.models[0].timing.end_to_end
    lines = [f"data: {report.data}"]
    lines += [
        f"{model.name}: {model.description}, {model.precision}, input {model.input_kind}" for model in report.models
    ]
    lines += report.hardware.lines()
    lines.append(f"end to end: {REGIONS['end_to_end']}; images are decoded before")
    lines += [f"{name}: {REGIONS[key]}" for key, name in _STAGE_NAMES.items()]
    if any(model.timing.device for model in report.models):
        lines += [f"{name.replace('_', ' ')}: {region}" for name, region in DEVICE_REGIONS.items()]
    lines.append(
        f"FPS: of the median; {first.iterations} calls end to end after {report.options.warmup} to warm up; "
        "peak: resident memory of a process that does nothing else, libraries included"
    )
    by_note: dict[str, list[str]] = {}
    for model in report.models:
        for note in (model.timing.stages_note, *_batch_notes(model), *model.notes):
            by_note.setdefault(note, []).append(model.name)
    lines += [f"{', '.join(names)}: {note}" for note, names in by_note.items()]
    return [*lines, *report.notes]


_STAGE_NAMES = {
    "preprocess": "preprocess",
    "network": "network",
    "postprocess": "post-process",
    "masks": "masks",
}


def _batch_notes(model: ModelReport) -> list[str]:
    count = model.timing.images_per_call
    return [f"takes {count} images a call: latencies are of a call, FPS of images"] if count > 1 else []


def _model_json(model: ModelReport) -> dict[str, Any]:
    timing = model.timing
    count = timing.images_per_call
    network = timing.network
    plain = _plain(model)
    plain["detections"]["per_image"] = model.detections.per_image
    plain["detects_nothing"] = model.detects_nothing
    plain["timing"]["end_to_end_fps"] = timing.end_to_end.fps(count)
    plain["timing"]["network_fps"] = network.fps(count) if network else None
    for kind in ("box", "mask"):
        precision = plain["accuracy"][kind]
        classes = precision.pop("per_class")
        plain["accuracy"][kind] = {key: _available(value) for key, value in precision.items()}
        plain["accuracy"][kind]["per_class"] = {name: _available(value) for name, value in classes}
    if model.parity is not None and model.verdict is not None:
        plain["parity"]["matches"]["rate"] = model.parity.matches.rate
        plain["verdict"]["passed"] = model.verdict.passed
    return plain


def _available(value: float) -> float | None:
    return None if value == NOT_AVAILABLE else value


def _plain(value: Any) -> Any:
    """Dataclasses as dicts, tuples as lists, paths as texts; single measurements with four digits."""
    if isinstance(value, Latency):
        fields = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
        single = {name: [round(item, 4) for item in fields[name]] for name in ("samples", "started", "rounds")}
        return {**fields, **single}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (tuple, list)):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, Path) else value


def _markdown_table(table: TextTable) -> str:
    rows = [table.columns, ("---", *["---:"] * (len(table.columns) - 1)), *table.rows]
    return "\n".join("| " + " | ".join(_escaped(cell) for cell in row) + " |" for row in rows)


def _escaped(cell: str) -> str:
    return cell.replace("|", "\\|")
