"""A report as one page of HTML that needs no network and no other file."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from yolact_deploy.benchmarks.accuracy.differences import PICTURES_PER_MODEL
from yolact_deploy.benchmarks.report.class_table import class_table
from yolact_deploy.benchmarks.report.html import chart_data, texts
from yolact_deploy.benchmarks.report.html.charts import MIN_AP_SPAN
from yolact_deploy.benchmarks.report.html.view import ModelView
from yolact_deploy.benchmarks.report.model import BenchReport
from yolact_deploy.benchmarks.report.table import Table
from yolact_deploy.benchmarks.report.tables import DEVICE_TITLES, STAGE_TITLES, all_tables
from yolact_deploy.benchmarks.report.text import cell_style
from yolact_deploy.benchmarks.report.wording import alarms, comparison_notes, comparison_summary, definitions
from yolact_deploy.dependencies import require

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
    tables = {table.key: table for table in (*all_tables(report), class_table(report))}
    comparison = report.comparison
    return {
        "tables": tables,
        "cell_style": cell_style,
        "bar": _bar,
        "value_of": _value_of,
        "verdict": texts.verdict(report),
        "alarms": alarms(report),
        "date": texts.date_text(report.hardware.date),
        "contents": _contents(tables, report.reference is not None and len(report.models) > 1),
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
    """Every chart; matplotlib has escaped their text."""

    def all_trusted(charts: dict[str, str]) -> dict[str, str]:
        return {name: trusted(svg) for name, svg in charts.items()}

    return {
        "speed": all_trusted(chart_data.speed_charts(models)),
        "latency": all_trusted(chart_data.latency_charts(models)),
        "stages": trusted(chart_data.stage_chart(models)),
        "device": trusted(chart_data.device_chart(models)),
        "curves": {kind: all_trusted(charts) for kind, charts in chart_data.precision_recall_charts(models).items()},
        "sizes": all_trusted(chart_data.size_charts(models)),
    }


def _contents(tables: dict[str, Table], has_pictures: bool) -> list[tuple[str, str]]:
    wanted = (
        ("summary", "Summary", True),
        ("since", "Since then", "since" in tables),
        ("speed", "Speed against accuracy", True),
        ("latency", "Latency", True),
        ("stages", "Stages", True),
        ("curves", "Precision and recall", True),
        ("sizes", "Accuracy", True),
        ("classes", "By class", True),
        ("pictures", "Largest differences", has_pictures),
        ("power", "Power and temperature", "power" in tables),
        ("machine", "Machine and options", True),
        ("definitions", "Definitions", True),
    )
    return [(key, title) for key, title, is_there in wanted if is_there]


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
