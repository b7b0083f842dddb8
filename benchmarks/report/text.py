"""A benchmark's report: on the terminal, as JSON, as Markdown."""

from __future__ import annotations

from yolact_deploy import console
from yolact_deploy.benchmarks.performance.device_times import DEVICE_REGIONS
from yolact_deploy.benchmarks.performance.load import LOAD_REGIONS
from yolact_deploy.benchmarks.performance.pipeline_stages import REGIONS
from yolact_deploy.benchmarks.report.comparison_table import comparison_lines, comparison_summary
from yolact_deploy.benchmarks.report.json_report import alarms, to_json, waiting_notes
from yolact_deploy.benchmarks.report.model import BenchReport, ModelReport
from yolact_deploy.benchmarks.report.progress import shown_progress
from yolact_deploy.benchmarks.report.tables import all_tables, class_table
from yolact_deploy.benchmarks.report.text_table import TextTable
from yolact_deploy.telemetry import words

__all__ = ["alarms", "failures", "print_report", "shown_progress", "summary", "to_json", "to_markdown"]


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
        console.say(summary(report), style="bold green" if report.has_parity else "bold red")
    if report.comparison is not None:
        console.say(
            comparison_summary(report.comparison), style="bold green" if report.comparison.passed else "bold red"
        )


def summary(report: BenchReport) -> str:
    """The outcome of the parity gate in one line."""
    judged = [model for model in report.models if model.verdict is not None]
    failed = [model.name for model in judged if model.verdict is not None and not model.verdict.passed]
    if failed:
        return f"parity: FAIL ({', '.join(failed)})"
    return f"parity: pass ({len(judged)} compared with {report.reference})"


def failures(report: BenchReport) -> list[str]:
    """Why a gate failed, a line each; empty when all passed."""
    slower = report.comparison.failures if report.comparison else ()
    return [*(() if report.has_parity else (summary(report),)), *slower]


def to_markdown(report: BenchReport) -> str:
    """The same as the terminal shows, and AP by class."""
    parts = ["# yolact-deploy bench", *[f"**{line}**" for line in alarms(report)]]
    if report.reference is not None:
        parts.append(f"**{summary(report)}**")
    if report.comparison is not None:
        parts.append(f"**{comparison_summary(report.comparison)}**")
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
    lines += _load_explanations(report)
    lines.append(
        f"FPS: of the median; {first.iterations} calls end to end in {len(first.rounds)} rounds that go from model to "
        f"model, after {report.options.warmup} to warm up; images/s: all images over all time, back to back"
        f"{', of all callers' if report.options.streams > 1 else ''}; found: "
        "detections an image, in the whole data set; "
        "peak: resident memory of a process that does nothing else, libraries included"
    )
    by_note: dict[str, list[str]] = {}
    for model in report.models:
        for note in (model.timing.stages_note, *_batch_notes(model), *model.notes):
            by_note.setdefault(note, []).append(model.name)
    lines += [f"{', '.join(names)}: {note}" for note, names in by_note.items()]
    lines += words.explanations(report.telemetry)
    lines += comparison_lines(report.comparison) if report.comparison else []
    return [*lines, *report.notes, *waiting_notes(report)]


_STAGE_NAMES = {
    "preprocess": "preprocess",
    "network": "network",
    "postprocess": "post-process",
    "masks": "masks",
}


def _load_explanations(report: BenchReport) -> list[str]:
    lines = []
    loaded = [model.timing.throughput for model in report.models if model.timing.throughput]
    if any(throughput.latency for throughput in loaded):
        threads = loaded[0].threads
        each = (
            "the runtime's default number of CPU threads"
            if threads is None
            else f"{threads} CPU thread{'s' * (threads > 1)}"
        )
        lines.append(f"streams: {LOAD_REGIONS['throughput']}; each caller has the model opened for itself, with {each}")
    if any(model.timing.arrivals for model in report.models):
        lines.append(f"arriving frames: {LOAD_REGIONS['arrivals']}")
    return lines


def _batch_notes(model: ModelReport) -> list[str]:
    count = model.timing.images_per_call
    return [f"takes {count} images a call: latencies are of a call, FPS of images"] if count > 1 else []


def _markdown_table(table: TextTable) -> str:
    rows = [table.columns, ("---", *["---:"] * (len(table.columns) - 1)), *table.rows]
    return "\n".join("| " + " | ".join(_escaped(cell) for cell in row) + " |" for row in rows)


def _escaped(cell: str) -> str:
    return cell.replace("|", "\\|")
