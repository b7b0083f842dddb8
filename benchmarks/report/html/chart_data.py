"""The numbers of a report that its charts show. Where there is nothing to show, there is no chart."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from yolact_deploy.benchmarks.judge.thresholds import ClassCurve
from yolact_deploy.benchmarks.performance.pipeline_stages import STAGES
from yolact_deploy.benchmarks.performance.timing import Latency
from yolact_deploy.benchmarks.report.html import charts
from yolact_deploy.benchmarks.report.html.view import KINDS, ModelView
from yolact_deploy.benchmarks.report.judge_json import sampled

MAX_CLASSES = 12  # that have a chart of their own
MIN_CALLS = 5  # fewer make no distribution
GPU_PARTS = ("host_to_device", "gpu", "device_to_host")  # of an engine's call, one after the other
SIZES = {"small": "small\n< 32² px", "medium": "medium\n< 96² px", "large": "large"}
CURVES = {"ap50": "IoU 0.50", "ap75": "IoU 0.75", "ap": "mean of IoU 0.50 to 0.95"}


def speed_charts(models: Sequence[ModelView]) -> dict[str, str]:
    """Speed against accuracy; without a chart where no model has an AP."""
    found = {}
    for kind in KINDS:
        series = [
            model.series([model.fps], [ap])
            for model in models
            if (ap := model.ap(kind)) is not None and model.fps is not None
        ]
        if series:
            found[kind] = charts.speed_accuracy(series, kind)
    return found


def latency_charts(models: Sequence[ModelView]) -> dict[str, str]:
    """Distribution and time line, of the models that were called often enough."""
    kept = [(model, latency) for model in models if (latency := model.latency) and len(latency.samples) >= MIN_CALLS]
    if not kept:
        return {}
    lines = [model.series(*_relative_times(latency)) for model, latency in kept if latency.started]
    found = {"shares": charts.latency_shares([model.series(latency.samples, ()) for model, latency in kept])}
    if lines:
        found["time line"] = charts.time_line(lines, wide=False)
        found["wide time line"] = charts.time_line(lines, wide=True)
    return found


def _relative_times(latency: Latency) -> tuple[list[float], list[float]]:
    """When each call began, and its latency over the median; NaN where another model had its turn in between."""
    samples, started = np.asarray(latency.samples), np.asarray(latency.started)
    idle = np.diff(started) - samples[:-1] / 1e3  # s, between two calls
    breaks = np.flatnonzero(idle > 0.25) + 1
    x = np.insert(started, breaks, started[breaks])
    y = np.insert(samples / np.median(samples), breaks, np.nan)
    return x.tolist(), y.tolist()


def stage_chart(models: Sequence[ModelView]) -> str:
    """Stages of the models that have them; empty when none has."""
    timed = [(model, timing) for model in models if (timing := model.report.timing)]
    staged = [(model.letter, found, timing.end_to_end.p50) for model, timing in timed if (found := timing.stages)]
    if not staged:
        return ""
    stages = [[found[stage].p50 for stage in STAGES] for _, found, _ in staged]
    return charts.stage_bars([letter for letter, _, _ in staged], stages, [total for _, _, total in staged])


def device_chart(models: Sequence[ModelView]) -> str:
    """Times on the GPU; empty when no model has them."""
    timed = [(model, found) for model in models if model.report.timing and (found := model.report.timing.device)]
    if not timed:
        return ""
    parts = [[getattr(found, name).p50 for name in GPU_PARTS] for _, found in timed]
    return charts.stage_bars([model.letter for model, _ in timed], parts, [None] * len(timed))


def precision_recall_charts(models: Sequence[ModelView]) -> dict[str, dict[str, str]]:
    """kind -> title of the curve -> chart, where there are curves."""
    found: dict[str, dict[str, str]] = {}
    for kind in KINDS:
        for key, title in CURVES.items():
            kinds = [(model, precision) for model in models if (precision := model.precision(kind))]
            curves = [(model, getattr(precision.curves, key)) for model, precision in kinds]
            series = [model.series(np.linspace(0, 1, len(curve)).tolist(), curve) for model, curve in curves if curve]
            if series:
                words = f"{kind} precision against recall, {title}, one line per model"
                found.setdefault(kind, {})[title] = charts.precision_recall(series, f"{kind}-{key}", words)
    return found


def size_charts(models: Sequence[ModelView]) -> dict[str, str]:
    """AP by size of the objects, of each kind that has any."""
    found = {}
    for kind in KINDS:
        values = [[_or_nan(model.ap(kind, size)) for size in SIZES] for model in models]
        if np.isfinite(values).any():
            series = [model.series((), row) for model, row in zip(models, values, strict=True)]
            found[kind] = charts.size_bars(series, list(SIZES.values()), kind)
    return found


def threshold_charts(model: ModelView) -> dict[str, str]:
    """Precision, recall and F1 over the score, of the MAX_CLASSES classes with most objects."""
    judgement = model.report.judgement
    curves: list[ClassCurve] = [] if judgement is None else [item for item in judgement.curves if len(item.scores)]
    chosen = sorted(curves, key=lambda curve: -curve.objects)[:MAX_CLASSES]
    found = {}
    for index, curve in enumerate(chosen):
        best = curve.best_f1()
        if best is not None:
            name = f"threshold-{model.index}-{index}"
            found[curve.name] = charts.threshold_lines(*sampled(curve), best.score, name, curve.name)
    return found


def _or_nan(value: float | None) -> float:
    return math.nan if value is None else value
