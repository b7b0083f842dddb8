"""A report's JSON as one page of HTML that needs no network and no other file."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from yolact_deploy.benchmarks.accuracy.differences import PICTURES_PER_MODEL
from yolact_deploy.benchmarks.report.html import chart_data, since, tables, texts, view
from yolact_deploy.benchmarks.report.html.charts import MIN_AP_SPAN
from yolact_deploy.benchmarks.report.html.class_table import class_rows
from yolact_deploy.benchmarks.report.html.view import Json, ModelView
from yolact_deploy.dependencies import require

FOLDER = Path(__file__).parent
TEMPLATE = "report.html.j2"
JSON_NAME = "report.json"
PERCENTILES = ("p50", "p90", "p95", "p99", "min", "max")
_PURPOSE = "writing the HTML report"


def draw_page(report: Json) -> str:
    """The page. `report` is what `report.to_json` gives, with the pictures of the largest differences where there are
    any, and the command line as `command`. All text in it is escaped.

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
    models = [ModelView(index, model) for index, model in enumerate(report["models"])]
    reference = next((model for model in models if model.json["is_reference"]), None)
    trusted = require("markupsafe", _PURPOSE).Markup
    script = (FOLDER / "report.js").read_text(encoding="utf-8")
    return environment.get_template(TEMPLATE).render(
        report={"notes": [], "command": None, "comparison": None, **report},
        models=models,
        reference=reference,
        compares=reference is not None and len(models) > 1,
        css=trusted((FOLDER / "report.css").read_text(encoding="utf-8")),
        script=trusted(script),
        script_hash=_csp_hash(script),
        json_name=JSON_NAME,
        text=view.text,
        percent=view.percent,
        memory_text=view.memory_text,
        file_text=view.file_text,
        absent=view.ABSENT,
        **_texts(report, models, reference),
        **_charts(models, trusted),
    )


def _texts(report: Json, models: Sequence[ModelView], reference: ModelView | None) -> dict[str, Any]:
    """Everything in words."""
    return {
        "verdict": texts.verdict(models, reference, report.get("comparison")),
        "date": texts.date_text(report["hardware"]["date"]),
        "contents": _contents(
            reference is not None and len(models) > 1,
            bool(report.get("comparison")),
            bool(tables.power_table(models).rows),
        ),
        "fastest": max(model.fps for model in models),
        "min_ap_span": MIN_AP_SPAN,
        "min_calls": chart_data.MIN_CALLS,
        "percentiles": [name for name in PERCENTILES if name in models[0].latency],
        "since_date": texts.date_text((report.get("comparison") or {}).get("date", "")),
        "changes": since.change_rows(report["comparison"]) if report.get("comparison") else [],
        "change_notes": (report.get("comparison") or {}).get("notes", []),
        "has_arrivals": any(model.json["timing"].get("arrivals") for model in models),
        "load": tables.load_table(models),
        "power": tables.power_table(models),
        "power_notes": tables.power_notes(models),
        "stage_titles": chart_data.STAGE_TITLES,
        "device_titles": chart_data.DEVICE_TITLES,
        "stage_notes": _by_text(models, lambda model: [model.json["timing"]["stages_note"]]),
        "model_notes": _by_text(models, lambda model: model.json["notes"]),
        "classes": class_rows(models, reference),
        "pictures_per_model": PICTURES_PER_MODEL,
        "differences": [texts.differences(model) for model in models],
        "differences_note": [texts.differences_note(model) for model in models],
        "machine_facts": texts.machine_facts(report["hardware"]),
        "option_facts": texts.option_facts(report["options"]),
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


def _contents(has_pictures: bool, has_changes: bool, has_power: bool) -> list[tuple[str, str]]:
    found = [("summary", "Summary"), *([("since", "Since then")] if has_changes else [])]
    found += [
        ("speed", "Speed against accuracy"),
        ("latency", "Latency"),
        ("stages", "Stages"),
        ("curves", "Precision and recall"),
        ("sizes", "By size"),
        ("classes", "By class"),
    ]
    found += [("pictures", "Largest differences")] if has_pictures else []
    found += [("power", "Power and temperature")] if has_power else []
    return [*found, ("machine", "Machine and options")]


def _by_text(models: Sequence[ModelView], texts_of: Callable[[ModelView], Iterable[str]]) -> dict[str, str]:
    """Each text, and the models that it is about."""
    found: dict[str, list[str]] = {}
    for model in models:
        for text in texts_of(model):
            found.setdefault(text, []).append(model.name)
    return {text: ", ".join(names) for text, names in found.items()}


def _csp_hash(script: str) -> str:
    """What the page's content security policy calls its one script, so that no other can run."""
    return "sha256-" + base64.b64encode(hashlib.sha256(script.encode("utf-8")).digest()).decode("ascii")
