"""A benchmark's report as JSON; `regression.saved` reads it again."""

from __future__ import annotations

import dataclasses
from dataclasses import replace
from pathlib import Path
from typing import Any

from yolact_deploy.benchmarks.accuracy.average_precision import NOT_AVAILABLE
from yolact_deploy.benchmarks.performance.device_times import DEVICE_REGIONS
from yolact_deploy.benchmarks.performance.load import LOAD_REGIONS
from yolact_deploy.benchmarks.performance.pipeline_stages import REGIONS
from yolact_deploy.benchmarks.performance.timing import Latency
from yolact_deploy.benchmarks.regression.saved import JSON_FORMAT
from yolact_deploy.benchmarks.report.judge_json import judgement_json
from yolact_deploy.benchmarks.report.model import BenchReport, ModelReport
from yolact_deploy.benchmarks.report.wording import alarms, comparison_notes, comparison_summary, hint_lines
from yolact_deploy.console import MADE_BY

_ROUNDED = ("samples", "started", "rounds")


def to_json(report: BenchReport) -> dict[str, Any]:
    """Plain values with stable keys: AP as fractions (null where not available), times in ms, memory in bytes."""
    comparison = _plain(report.comparison)
    if report.comparison is not None:
        comparison["passed"] = report.comparison.passed
        comparison["summary"] = comparison_summary(report.comparison)
        comparison["notes"] = comparison_notes(report.comparison)
    return {
        "made_by": f"{MADE_BY} {report.hardware.tool_version}",
        "format": JSON_FORMAT,
        "passed": report.passed,
        "parity": report.parity,
        "reference": report.reference,
        "data": {"description": report.data, "folder": str(report.data_folder)},
        "hardware": _plain(report.hardware),
        "busy_cores": report.busy_cores,
        "options": _plain(report.options),
        "measured_regions": {**REGIONS, **DEVICE_REGIONS, **LOAD_REGIONS},
        "models": [_model_json(model) for model in report.models],
        "comparison": comparison,
        "notes": [*report.notes, *alarms(report), *hint_lines(report)],
    }


def _model_json(model: ModelReport) -> dict[str, Any]:
    plain = _plain(replace(model, judgement=None))
    plain["detections"]["per_image"] = model.detections.per_image
    plain["detects_nothing"] = model.detects_nothing
    if model.timing is not None:
        network = model.timing.network
        plain["timing"]["end_to_end_fps"] = model.timing.fps
        plain["timing"]["network_fps"] = network.fps(model.timing.images_per_call) if network else None
    plain["judgement"] = None if model.judgement is None else judgement_json(model.judgement)
    for kind in ("box", "mask") if model.accuracy is not None else ():
        precision = plain["accuracy"][kind]
        classes = precision.pop("per_class")
        plain["accuracy"][kind] = {key: _available(value) for key, value in precision.items()}
        plain["accuracy"][kind]["per_class"] = {name: _available(value) for name, value in classes}
    if model.parity is not None and model.verdict is not None:
        plain["parity"]["matches"]["rate"] = model.parity.matches.rate
        plain["verdict"]["passed"] = model.verdict.passed
        plain["verdict"]["word"] = model.verdict.word
    return plain


def _available(value: float) -> float | None:
    return None if value == NOT_AVAILABLE else value


def _plain(value: Any) -> Any:
    """Dataclasses as dicts, tuples as lists, paths as texts; single measurements with four decimals."""
    if isinstance(value, Latency):
        fields = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
        return {**fields, **{name: [round(item, 4) for item in fields[name]] for name in _ROUNDED}}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (tuple, list)):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, Path) else value
