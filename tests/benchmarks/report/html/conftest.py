"""Reports of many shapes."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from tests.benchmarks.conftest import HEIGHT, WIDTH, result
from tests.benchmarks.report.judged import judgement
from tests.benchmarks.report.test_text import model, report_of
from tests.benchmarks.report.watching import telemetry
from yolact_deploy.artifacts.tolerances import GATES
from yolact_deploy.benchmarks.accuracy.average_precision import (
    NOT_AVAILABLE,
    Accuracy,
    AveragePrecision,
    PrecisionCurves,
)
from yolact_deploy.benchmarks.accuracy.difference_pictures import draw_pictures
from yolact_deploy.benchmarks.accuracy.differences import ImageDifference
from yolact_deploy.benchmarks.accuracy.parity import Matches, Parity, judge
from yolact_deploy.benchmarks.performance.device_times import DeviceTimes
from yolact_deploy.benchmarks.performance.load import Arrivals, Throughput
from yolact_deploy.benchmarks.performance.pipeline_stages import STAGES, Timing
from yolact_deploy.benchmarks.performance.timing import Latency
from yolact_deploy.benchmarks.regression.comparison import Change, Comparison, ModelChanges
from yolact_deploy.benchmarks.report.html.page import draw_page
from yolact_deploy.benchmarks.report.model import BenchReport, DetectionCounts

SCRIPT = '<script>console.error("ran")</script>'
LONG = "a_model_with_a_name_that_goes_on_" + "and_on_" * 25 + ".onnx"


def accuracy_of(ap: float, classes: int, rng: np.random.Generator) -> Accuracy:
    """Curves that fall from 1, and classes around `ap`."""
    curve = tuple(np.linspace(1, max(0.0, 2 * ap - 1), 101).round(4).tolist())
    names = tuple((f"class {index} {SCRIPT}", float(rng.uniform(0, 1))) for index in range(classes - 1))
    values = AveragePrecision(
        ap, ap, ap, ap, ap, NOT_AVAILABLE, (*names, ("absent", NOT_AVAILABLE)), PrecisionCurves(curve, curve, curve)
    )
    return Accuracy(values, replace(values, ap=ap * 0.9))


def latency_of(turn: int, calls: int, scale: float, rng: np.random.Generator) -> Latency:
    seconds = scale * rng.lognormal(0, 0.05, calls) * 0.02
    return Latency.of(seconds.tolist(), (turn * 10 + np.cumsum(seconds)).tolist())


def difference(name: str) -> ImageDifference:
    """One detection in common, one that only the model has."""
    ours = result(1, [[5, 5, 30, 30]], [0.9], [0])
    theirs = result(1, [[5, 5, 30, 30], [40, 10, 70, 50]], [0.8, 0.7], [0, 1])
    pictures = draw_pictures(np.full((HEIGHT, WIDTH, 3), 120, np.uint8), ours, theirs, ("disk", SCRIPT))
    return ImageDifference(1, name, 0, 1, 1, 1.0, 0.1, 0.1, pictures)


def bench_report(models: int = 3, classes: int = 6, has_reference: bool = True, ap: float = 0.5) -> BenchReport:
    """A report of `models` models; the last one fails when there is a reference."""
    rng = np.random.default_rng(0)
    made = []
    for index in range(models):
        name = (f"net.pth {SCRIPT}", LONG, SCRIPT)[index] if index < 3 else f"net{index}.engine"
        latency = latency_of(index, 40, index + 1, rng)
        item = model(
            name,
            is_reference=has_reference and index == 0,
            accuracy=accuracy_of(ap, classes, rng),
            timing=Timing(1, latency, dict.fromkeys(STAGES, latency) if index % 2 == 0 else None, SCRIPT),
            notes=(SCRIPT,),
        )
        if has_reference and index:
            parity = Parity(0.01, -0.5 if index == models - 1 else 0.0, Matches(999, 1000, 0.99))
            differences = (difference(f"{SCRIPT}.jpg"),) if index % 2 else ()
            item = replace(item, parity=parity, verdict=judge(parity, GATES["fp32"]), differences=differences)
        made.append(item)
    return report_of(*made, reference=made[0].name if has_reference else None)


def nothing_found() -> BenchReport:
    """A model that detects nothing, on a data set without objects, measured once, in one piece and without memory."""
    absent = AveragePrecision(*[NOT_AVAILABLE] * 6, (("disk", NOT_AVAILABLE),))
    bare = model(
        "blind.onnx",
        accuracy=Accuracy(absent, absent),
        detections=DetectionCounts.of([result(1), result(2)]),
        timing=Timing(1, Latency.of([0.02], [0.0]), None, "in one piece"),
        memory=None,
        path=Path("blind.onnx"),
    )
    return report_of(bare, reference=None)


def everything() -> BenchReport:
    """Compared with an older run and slower than allowed, under load, on a GPU, and with power and temperature."""
    report = bench_report()
    changes = (
        Change("end to end", "ms", 10.0, 12.5, 0.25, 0.04, "slower"),
        Change("network", "ms", 10.0, 9.9, -0.01, None, "unknown"),
        Change("box AP", "points", 50.0, 52.0, 2.0, 0.05, "better"),
    )
    models = (ModelChanges(LONG, changes, ("other threads",)),)
    date = "2026-01-01T00:00:00+00:00"
    comparison = Comparison(f"{SCRIPT}.json", date, models, ("gone",), ("new",), (), 0.05, ("slower",))
    measured = []
    for item in report.models:
        latency = replace(item.timing.end_to_end, rounds=(10.0, 11.0))
        timing = replace(
            item.timing,
            end_to_end=latency,
            throughput=Throughput(2, 1, 88.88, (88.0, 89.0), latency),
            device=DeviceTimes(*[latency] * 4),
        )
        measured.append(replace(item, telemetry=telemetry(throttling=("thermal limit",)), timing=timing))
    arrivals = Arrivals(30.0, 90, 3, 1, 29.0, measured[0].timing.end_to_end)
    measured[0] = replace(measured[0], timing=replace(measured[0].timing, arrivals=arrivals))
    return replace(
        report,
        models=tuple(measured),
        comparison=comparison,
        options=replace(report.options, target_fps=30.0, streams=2),
    )


def judged() -> BenchReport:
    """Two models with errors, a hint and worst images, without a reference."""
    report = bench_report(2, has_reference=False)
    models = (replace(item, judgement=judgement(SCRIPT)) for item in report.models)
    return replace(report, models=tuple(models), options=replace(report.options, at_precision=0.95, at_recall=0.9))


def without_speed() -> BenchReport:
    """One model, judged and not timed."""
    report = judged()
    (item, _) = report.models
    return replace(
        report,
        models=(replace(item, timing=None, memory=None),),
        options=replace(report.options, measures_speed=False),
    )


def without_accuracy() -> BenchReport:
    """Two models, timed alone."""
    report = bench_report(2, has_reference=False)
    models = (replace(item, accuracy=None) for item in report.models)
    return replace(report, models=tuple(models), options=replace(report.options, measures_accuracy=False))


CASES: dict[str, Callable[[], BenchReport]] = {
    "three models": bench_report,
    "one model": lambda: bench_report(1, has_reference=False),
    "only the reference": lambda: bench_report(1),
    "six models, 80 classes": lambda: bench_report(6, 80),
    "nothing found": nothing_found,
    "AP of 0": lambda: bench_report(2, ap=0.0),
    "everything": everything,
    "judged": judged,
    "without speed": without_speed,
    "without accuracy": without_accuracy,
}


@functools.cache
def page_of(case: str) -> str:
    """The page of one of CASES."""
    return draw_page(CASES[case](), f"yolact-deploy bench {LONG} '{SCRIPT}'")
