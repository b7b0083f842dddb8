"""A report as one page of HTML that needs no network and no other file."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from yolact_deploy.benchmarks.accuracy.differences import PICTURES_PER_MODEL
from yolact_deploy.benchmarks.judge.worst import COLOURS
from yolact_deploy.benchmarks.report.cells import DEVICE_TITLES, STAGE_TITLES
from yolact_deploy.benchmarks.report.html import chart_data, texts
from yolact_deploy.benchmarks.report.html.charts import MIN_AP_SPAN
from yolact_deploy.benchmarks.report.html.view import ModelView
from yolact_deploy.benchmarks.report.model import BenchReport
from yolact_deploy.benchmarks.report.table import Table
from yolact_deploy.benchmarks.report.tables import all_tables
from yolact_deploy.benchmarks.report.text import cell_style, letter
from yolact_deploy.benchmarks.report.wording import (
    accuracy_summary,
    alarms,
    comparison_notes,
    comparison_summary,
    definitions,
    hint_lines,
)
from yolact_deploy.dependencies import require
from yolact_deploy.draw import Colour

FOLDER = Path(__file__).parent
TEMPLATE = "report.html.j2"
JSON_NAME = "report.json"
_PURPOSE = "writing the HTML report"


def draw_page(report: BenchReport, command: str = "") -> str:
    """The page. command: the command line that made the report. All text is escaped.

    Raises MissingDependencyError without matplotlib or jinja2.
    """
    jinja = require("jinja2", _PURPOSE)
    environment = jinja.Environment(
        loader=jinja.FileSystemLoader(FOLDER),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja.StrictUndefined,
    )
    environment.filters["arrows"] = lambda text: text.replace("->", "→")
    models = [ModelView(index, model) for index, model in enumerate(report.models)]
    trusted = require("markupsafe", _PURPOSE).Markup
    script = (FOLDER / "report.js").read_text(encoding="utf-8")
    return environment.get_template(TEMPLATE).render(
        report=report,
        command=command,
        models=models,
        by_name={model.name: model for model in models},
        compares=report.reference is not None and len(models) > 1,
        differs=_differs(report),
        base=report.reference or report.models[0].name,
        has_speed=report.options.measures_speed,
        has_accuracy=report.options.measures_accuracy,
        error_colours={kind: _css(colour) for kind, colour in COLOURS.items()},
        threshold_charts={model.name: _all_trusted(chart_data.threshold_charts(model), trusted) for model in models},
        css=trusted((FOLDER / "report.css").read_text(encoding="utf-8")),
        script=trusted(script),
        script_hash=_csp_hash(script),
        json_name=JSON_NAME,
        min_ap_span=MIN_AP_SPAN,
        min_calls=chart_data.MIN_CALLS,
        pictures_per_model=PICTURES_PER_MODEL,
        stage_titles=STAGE_TITLES,
        gpu_titles=[DEVICE_TITLES[name] for name in chart_data.GPU_PARTS],
        **_texts(report),
        **_charts(models, trusted),
    )


def _texts(report: BenchReport) -> dict[str, Any]:
    """Tables, and everything in words."""
    tables = {table.key: table for table in all_tables(report)}
    comparison = report.comparison
    return {
        "tables": tables,
        "cell_style": cell_style,
        "bar": _bar,
        "value_of": _value_of,
        "verdict": texts.verdict(report),
        "alarms": alarms(report),
        "date": texts.date_text(report.hardware.date),
        "hints": hint_lines(report),
        "accuracy": accuracy_summary(report),
        "heat": _heat,
        "contents": _contents(report, tables),
        "changes": comparison_summary(comparison) if comparison else "",
        "change_notes": comparison_notes(comparison) if comparison else [],
        "definitions": definitions(report),
        "model_notes": [f"{model.name}: {note}" for model in report.models for note in model.notes],
        "difference_words": texts.difference_words,
        "differences_note": texts.differences_note,
        "machine_facts": texts.machine_facts(report.hardware),
        "option_facts": texts.option_facts(report.options),
    }


def _charts(models: Sequence[ModelView], trusted: Callable[[str], str]) -> dict[str, Any]:
    """Every chart."""
    return {
        "speed": _all_trusted(chart_data.speed_charts(models), trusted),
        "latency": _all_trusted(chart_data.latency_charts(models), trusted),
        "stages": trusted(chart_data.stage_chart(models)),
        "device": trusted(chart_data.device_chart(models)),
        "curves": {
            kind: _all_trusted(charts, trusted) for kind, charts in chart_data.precision_recall_charts(models).items()
        },
        "sizes": _all_trusted(chart_data.size_charts(models), trusted),
    }


def _all_trusted(charts: dict[str, str], trusted: Callable[[str], str]) -> dict[str, str]:
    """matplotlib has escaped their text."""
    return {name: trusted(svg) for name, svg in charts.items()}


def _contents(report: BenchReport, tables: dict[str, Table]) -> list[tuple[str, str]]:
    has_speed, has_accuracy = report.options.measures_speed, report.options.measures_accuracy
    judged = []
    for index, model in enumerate(report.models):
        if model.judgement is not None:
            number = letter(index) if len(report.models) > 1 else ""
            judged.append((f"errors{number}", f"Errors {number}".strip(), True))
            judged.append((f"worst{number}", f"Worst images {number}".strip(), bool(model.judgement.worst)))
    wanted = (
        ("summary", "Summary", True),
        ("since", "Since then", "since" in tables),
        ("speed", "Speed against accuracy", has_speed),
        ("latency", "Latency", has_speed),
        ("stages", "Stages", has_speed),
        ("curves", "Precision and recall", has_accuracy),
        ("sizes", "Accuracy", has_accuracy),
        ("classes", "By class", has_accuracy),
        *judged,
        ("pictures", "Largest differences", _differs(report)),
        ("power", "Power and temperature", "power" in tables),
        ("machine", "Machine and options", True),
        ("definitions", "Definitions", True),
    )
    return [(key, title) for key, title, is_there in wanted if is_there]


def _differs(report: BenchReport) -> bool:
    """Whether models are compared image by image."""
    has_differences = any(model.differences is not None for model in report.models)
    return len(report.models) > 1 and (report.reference is not None or has_differences)


def _heat(row: Sequence[str]) -> list[tuple[float, str]]:
    """Share of its row, and text, of each cell of a confusion matrix."""
    counts = [int(cell) if cell.isdigit() else 0 for cell in row[1:]]
    return [(count / max(sum(counts), 1), cell) for count, cell in zip(counts, row[1:], strict=True)]


def _css(colour: Colour) -> str:
    blue, green, red = colour
    return f"rgb({red} {green} {blue})"


def _value_of(cell: str) -> float | None:
    """The number that a cell begins with, by which its column is sorted; None where there is none."""
    try:
        return float(cell.partition(" ")[0].rstrip("%"))
    except ValueError:
        return None


def _bar(cell: str, full: float | None) -> str | None:
    """The width of a cell's bar in CSS; None where the column has no bars."""
    value = _value_of(cell)
    return None if not full or value is None else f"{min(max(value / full, 0), 1):.1%}"


def _csp_hash(script: str) -> str:
    """What the page's content security policy calls its one script, so that no other can run."""
    return "sha256-" + base64.b64encode(hashlib.sha256(script.encode("utf-8")).digest()).decode("ascii")
