"""Two runs side by side: what is noise, what is a change, and what is no run at all."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.benchmarks.clock import Clock
from tests.benchmarks.report.test_text import GOOD, judged, model, report_of
from yolact_deploy.benchmarks.bench import run_bench
from yolact_deploy.benchmarks.options import BenchOptions
from yolact_deploy.benchmarks.performance.pipeline_stages import Timing
from yolact_deploy.benchmarks.performance.timed_model import TimedModel, time_in_turns
from yolact_deploy.benchmarks.performance.timing import Schedule
from yolact_deploy.benchmarks.regression.comparison import Change, Comparison, compare_runs, read_percentage, spread
from yolact_deploy.benchmarks.regression.saved import BETWEEN_RUNS, Quantity, SavedModel, SavedRun, saved_run
from yolact_deploy.benchmarks.report.json_report import to_json
from yolact_deploy.benchmarks.report.model import BenchReport
from yolact_deploy.benchmarks.report.tables import comparison_table
from yolact_deploy.benchmarks.report.text import to_markdown
from yolact_deploy.benchmarks.report.wording import comparison_summary, failures
from yolact_deploy.errors import DataError, YolactDeployError
from yolact_deploy.telemetry.cpu import OtherProcesses
from yolact_deploy.types import Image


class NoisyPredictor:
    """Takes 20 ms, give or take `noise`, and what is added to it, on a clock of its own making."""

    description = "a stand-in"
    runtime = object()

    def __init__(self, clock: Clock, seed: int, noise: float = 0.02, delay: float = 0.0) -> None:
        self._clock = clock
        self._random = np.random.default_rng(seed)
        self._noise = noise
        self._delay = delay

    def batch(self, images: Sequence[Image]) -> None:
        self._clock.pass_by(0.02 * float(np.exp(self._random.normal(0, self._noise))) + self._delay)


@pytest.fixture
def timed(monkeypatch: pytest.MonkeyPatch) -> Callable[..., BenchReport]:
    """The report of a stand-in that was timed as a real model is."""
    clock = Clock(monkeypatch)

    def run(seed: int, **changes: float) -> BenchReport:
        predictor: Any = NoisyPredictor(clock, seed, **changes)
        timed_model = TimedModel(predictor, Path("net.bin"), [np.zeros((4, 4, 3), np.uint8)])
        (timing,) = time_in_turns([timed_model], Schedule(rounds=3))
        return report_of(model("net.onnx", timing=timing), reference=None)

    return run


def compared(old: BenchReport, new: BenchReport, allowed: float | None = None) -> Comparison:
    return compare_runs(saved_run(to_json(old)), saved_run(to_json(new)), "old.json", allowed)


def change_of(comparison: Comparison, what: str) -> Change:
    (change,) = (change for change in comparison.models[0].changes if change.what == what)
    return change


@pytest.mark.parametrize("seed", range(5))
def test_the_same_model_again_is_no_change(timed: Callable[..., BenchReport], seed: int) -> None:
    comparison = compared(timed(seed), timed(seed + 100), 0.05)
    assert {change.verdict for change in comparison.models[0].changes} == {"no change"}
    assert comparison_summary(comparison) == f"since {comparison.date}: no change"
    assert comparison.passed


@pytest.mark.parametrize("seed", range(5))
def test_a_fifth_more_in_each_call_is_slower(timed: Callable[..., BenchReport], seed: int) -> None:
    old, new = timed(seed), timed(seed + 100, delay=0.004)
    comparison = compared(old, new, 0.05)
    for what in ("end to end", "throughput"):
        change = change_of(comparison, what)
        assert change.verdict == "slower"
        assert change.slowdown == pytest.approx(0.2, abs=0.02)
        assert change.band is not None
        assert change.band < 0.1
    slower, lower = (change_of(comparison, what).change for what in ("end to end", "throughput"))
    words = f"net.onnx end to end slower ({slower:+.1%}), throughput slower ({lower:+.1%})"
    assert comparison_summary(comparison) == f"since {comparison.date}: {words}"
    assert not comparison.passed
    assert compared(old, new, 0.5).passed
    assert compared(old, new).passed
    assert change_of(compared(new, old), "end to end").verdict == "faster"
    assert compared(new, old, 0.0).passed


def test_noise_hides_a_change_and_that_is_said(timed: Callable[..., BenchReport]) -> None:
    old, new = timed(1, noise=1.5), timed(2, noise=1.5, delay=0.001)
    comparison = compared(old, new, 0.05)
    assert change_of(comparison, "end to end").verdict == "no change"
    text = to_markdown(replace(new, comparison=comparison))
    assert "noise hides" in text


def test_a_failed_gate_names_model_numbers_and_band(timed: Callable[..., BenchReport]) -> None:
    new = timed(2, delay=0.004)
    report = replace(new, comparison=compared(timed(1), new, 0.05))
    assert not report.passed
    assert report.has_parity
    line, _ = failures(report)
    for words in ("net.onnx: end to end went from ", "to 24 ms, 20.1% slower (noise ", "allowed are 5.0%"):
        assert words in line
    assert line in to_markdown(report)
    value = json.loads(json.dumps(to_json(report), allow_nan=False))
    assert value["passed"] is False
    assert value["comparison"]["failures"][0] == line
    assert line in value["notes"]


def test_one_round_each_cannot_be_judged() -> None:
    timing = GOOD.models[0].timing
    assert timing.throughput is not None
    once = replace(
        timing,
        end_to_end=replace(timing.end_to_end, rounds=(20.0,)),
        throughput=replace(timing.throughput, rounds=(48.0,)),
    )
    report = report_of(model("net.onnx", timing=once), reference=None)
    comparison = compared(report, report, 0.05)
    assert change_of(comparison, "end to end").verdict == "unknown"
    assert "end to end unknown (too few rounds)" in comparison_summary(comparison)
    assert "too few rounds to judge it: pass --repeats" in comparison.failures[0]
    assert comparison_table(replace(report, comparison=comparison)).rows[0][-2:] == ("-", "unknown")


def test_everything_else_is_compared_too() -> None:
    old = report_of(model("net.pth", True), judged("net.onnx", 0.0, 999))
    changed = replace(old.models[1], detections=replace(old.models[1].detections, total=0))
    memory = changed.memory
    assert memory is not None
    accuracy = changed.accuracy
    worse = replace(accuracy, box=replace(accuracy.box, ap=0.4))
    new = replace(
        old,
        models=(
            old.models[0],
            replace(
                changed,
                accuracy=worse,
                memory=replace(memory, peak_bytes=400 << 20),
                parity=judged("x", 0.0, 900).parity,
                sha256="f" * 64,
            ),
        ),
    )
    comparison = compared(old, new)
    rows = {row[1]: row[2:] for row in comparison_table(replace(new, comparison=comparison)).rows[9:]}
    assert rows["peak memory, MiB"] == ("300", "400", "+33.3%", "2.0%", "more")
    assert rows["detections, per image"][-1] == "less"
    assert rows["box AP, points"] == ("50.00", "40.00", "-10.00", "0.05", "worse")
    assert rows["mask AP, points"][-1] == "no change"
    assert rows["matched, %"] == ("99.90", "90.00", "-9.90", "0.10", "worse")
    assert rows["network, ms"][-1] == "no change"
    assert comparison.models[1].warnings == ("net.onnx: file was SHA-256 , is SHA-256 ffffffffffff",)
    assert compared(new, old).models[1].changes[7].change is None  # from no detections to some


def test_what_differs_is_warned_of() -> None:
    old = report_of(model("net.onnx"), model("gone.onnx"), reference=None)
    hardware = replace(old.hardware, cpu="Other CPU", versions={"Python": "3.12", "ONNX": "1"})
    options = replace(old.options, threads=4)
    new = replace(old, models=(old.models[0], model("new.onnx")), hardware=hardware, options=options, data="other")
    comparison = compared(old, new)
    assert (comparison.only_old, comparison.only_new) == (("gone.onnx",), ("new.onnx",))
    assert comparison.warnings == (
        "cpu was Some CPU, is Other CPU",
        "Python was 3.11, is 3.12",
        "--threads was 2, is 4",
        "data was nano: 2 images, is other",
        "ONNX was absent, is 1",
    )
    text = to_markdown(replace(new, comparison=comparison))
    assert "only in the older run: gone.onnx" in text
    assert "not in the older run: new.onnx" in text
    assert "may not be comparable: --threads was 2, is 4" in text


def alarms(ratio: float, noise: float, rounds: int, runs: int = 1000) -> float:
    """Share of run pairs, the second of them `ratio` times as slow, that are no "no change"."""
    random = np.random.default_rng(0)
    verdicts = []
    for _ in range(runs):
        common = random.normal(0, 0.01, 2)  # what differs between runs, here less than the smallest band
        times = [np.exp(random.normal(common[index], noise, rounds)) * ratio**index for index in (0, 1)]
        quantities = [
            Quantity(float(np.median(each)), "ms", BETWEEN_RUNS, "slower", "faster", tuple(each.tolist()))
            for each in times
        ]
        old, new = (SavedRun("", {"m": SavedModel({"end to end": each}, {})}, {}, 2, None) for each in quantities)
        verdicts.append(compare_runs(old, new, "old.json").models[0].changes[0].verdict)
    return sum(verdict != "no change" for verdict in verdicts) / runs


@pytest.mark.parametrize("noise", [0.002, 0.01, 0.03, 0.1])
def test_false_alarms_are_few(noise: float) -> None:
    assert alarms(1.0, noise, rounds=3) < 0.1


@pytest.mark.parametrize(("noise", "rounds"), [(0.005, 3), (0.02, 3), (0.04, 5)])
def test_a_fifth_is_seen(noise: float, rounds: int) -> None:
    assert alarms(1.2, noise, rounds) > 0.9


def test_the_band_is_the_spread_of_the_rounds() -> None:
    assert spread((10.0, 12.0, 11.0)) == pytest.approx(0.2)
    for few in ((10.0,), (), (0.0, 1.0)):
        assert spread(few) is None


def test_a_machine_that_was_busy_is_said() -> None:
    quiet, busy = (replace(GOOD, busy_cores=cores) for cores in (0.2, 6.5))
    assert not any("other processes" in line for line in compared(quiet, busy).warnings)  # its own notes say it
    (line,) = (line for line in compared(busy, quiet).warnings if "other processes" in line)
    assert "6.5 cores" in line


@pytest.mark.parametrize(("text", "share"), [("5%", 0.05), ("0%", 0.0), ("12.5%", 0.125)])
def test_percentages(text: str, share: float) -> None:
    assert read_percentage(text) == pytest.approx(share)


@pytest.mark.parametrize("text", ["5", "0.05", "", "%", "-1%", "nan%", "inf%", "5 percent", "5%%"])
def test_no_percentages(text: str) -> None:
    with pytest.raises(YolactDeployError, match="a percentage of 0 or more with its sign, such as 5%"):
        read_percentage(text)


def test_the_older_run_is_looked_at_before_anything_is_measured(
    tmp_path: Path, nano_onnx: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "yolact_deploy.benchmarks.assessment.run_images", lambda *arguments: pytest.fail("it has begun")
    )
    options = BenchOptions(models=(nano_onnx,), compare=tmp_path / "none.json")
    with pytest.raises(DataError, match="no such file to compare with"):
        run_bench(options)
    other = tmp_path / "other.json"
    other.write_text(json.dumps(to_json(GOOD)))
    with pytest.raises(DataError, match=r"none of the models measured now: it has net\.pth, net\.onnx"):
        run_bench(replace(options, compare=other))
    with pytest.raises(YolactDeployError, match=r"--max-slowdown needs --compare OLD\.json"):
        run_bench(replace(options, compare=None, max_slowdown=0.05))


def test_a_real_run_is_compared_with_the_one_before(
    tmp_path: Path, nano_onnx: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(OtherProcesses, "cores", lambda others: 0.0)  # whatever else this machine does
    options = BenchOptions(models=(nano_onnx,), limit=2, threads=1, device="cpu", iterations=3, warmup=0)
    first = run_bench(options)
    (tmp_path / "old.json").write_text(json.dumps(to_json(first)))
    comparison = run_bench(replace(options, compare=tmp_path / "old.json")).comparison
    assert comparison is not None
    assert comparison.warnings == ()
    (changes,) = comparison.models
    assert changes.warnings == ()
    assert [change.what for change in changes.changes] == [
        "end to end",
        "throughput",
        *("preprocess", "network", "postprocess", "masks"),
        *("peak memory", "detections", "box AP", "mask AP"),
    ]
    assert {change.verdict for change in changes.changes[-3:]} == {"no change"}
    timing: Timing = first.models[0].timing
    assert len(timing.end_to_end.rounds) == 3
    assert len(first.models[0].sha256) == 64
