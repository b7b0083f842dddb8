"""Reports of many shapes, as their JSON."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from tests.benchmarks.conftest import HEIGHT, WIDTH, result
from tests.benchmarks.report.test_text import model, report_of
from yolact_deploy.benchmarks.accuracy.average_precision import (
    NOT_AVAILABLE,
    Accuracy,
    AveragePrecision,
    PrecisionCurves,
)
from yolact_deploy.benchmarks.accuracy.difference_pictures import draw_pictures
from yolact_deploy.benchmarks.accuracy.differences import ImageDifference
from yolact_deploy.benchmarks.accuracy.parity import Matches, Parity, judge
from yolact_deploy.benchmarks.bench import DetectionCounts
from yolact_deploy.benchmarks.performance.pipeline_stages import STAGES, Timing
from yolact_deploy.benchmarks.performance.timing import Latency
from yolact_deploy.benchmarks.regression.comparison import Change, Comparison, ModelChanges
from yolact_deploy.benchmarks.report.comparison_table import comparison_notes, comparison_summary
from yolact_deploy.benchmarks.report.html.page import draw_page
from yolact_deploy.benchmarks.report.text import to_json
from yolact_deploy.console import to_json as to_text
from yolact_deploy.telemetry import Spread, Telemetry, Throttling, Watched
from yolact_deploy.tolerances import GATES

Json = dict[str, Any]

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


def bench_json(models: int = 3, classes: int = 6, has_reference: bool = True, ap: float = 0.5) -> Json:
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
    report = to_json(report_of(*made, reference=made[0].name if has_reference else None))
    return {**report, "command": f"yolact-deploy bench {LONG} '{SCRIPT}'"}


def nothing_found() -> Json:
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
    return to_json(report_of(bare, reference=None))


def old_file() -> Json:
    """What a file held before single calls, curves and pictures were kept."""
    report = bench_json()
    for item in report["models"]:
        for key in ("samples", "started", "rounds", "p95", "min", "max"):
            item["timing"]["end_to_end"].pop(key)
        for kind in ("box", "mask"):
            item["accuracy"][kind].pop("curves")
        item.pop("differences")
    report.pop("command")
    return report


def everything() -> Json:
    """Compared with an older run and slower than allowed, under load, and with power and temperature."""
    report = bench_json()
    changes = (
        Change("end to end", "ms", 10.0, 12.5, 0.25, 0.04, "slower", is_relative=True),
        Change("network", "ms", 10.0, 9.9, -0.01, None, "unknown", is_relative=True),
        Change("box AP", "share", 0.5, 0.52, 0.02, 0.0005, "better", is_relative=False),
    )
    models = (ModelChanges(LONG, changes, ("other threads",)),)
    made = Comparison(f"{SCRIPT}.json", "2026-01-01T00:00:00+00:00", models, ("gone",), ("new",), (), 0.05, ("slower",))
    report["comparison"] = {
        **json.loads(to_text(made)),
        "summary": comparison_summary(made),
        "notes": comparison_notes(made),
    }
    spread = Spread(40.0, 55.5, 60.0)
    power = Watched(
        source=SCRIPT,
        tool="tegrastats",
        seconds=3.0,
        readings=30,
        power_mode="MAXN",
        power_of="the board",
        power=spread,
        idle_power=None,
        energy=160.0,
        energy_from="power over time",
        joules_per_image=0.1234,
        images_per_joule=8.1,
        temperature=spread,
        clock=None,
        max_clock=None,
        utilisation=None,
        throttling=(Throttling("thermal limit", 0.4, None),),
    )
    for item in report["models"]:
        latency = item["timing"]["end_to_end"]
        latency["rounds"] = [10.0, 11.0]
        item["telemetry"] = json.loads(to_text(Telemetry(30, (power,))))
        item["timing"]["throughput"] = {"streams": 2, "threads": 1, "fps": 88.88, "rounds": [], "latency": latency}
    arrivals = {"target_fps": 30.0, "images": 90, "late": 3, "dropped": 1, "fps": 29.0, "latency": latency}
    report["models"][0]["timing"]["arrivals"] = arrivals
    return report


CASES: dict[str, Callable[[], Json]] = {
    "three models": bench_json,
    "one model": lambda: bench_json(1, has_reference=False),
    "only the reference": lambda: bench_json(1),
    "six models, 80 classes": lambda: bench_json(6, 80),
    "nothing found": nothing_found,
    "AP of 0": lambda: bench_json(2, ap=0.0),
    "an old file": old_file,
    "everything": everything,
}


@functools.cache
def page_of(case: str) -> str:
    """The page of one of CASES."""
    return draw_page(CASES[case]())
