"""Schedules and percentiles. No test looks at how long something really takes."""

from __future__ import annotations

import numpy as np
import pytest

from yolact_deploy.benchmarks import timing
from yolact_deploy.benchmarks.timing import Latency, Schedule, measure_latency
from yolact_deploy.errors import YolactDeployError


def test_percentiles_are_in_ms() -> None:
    seconds = [value / 1000 for value in range(1, 102)]
    latency = Latency.of(seconds)
    assert (latency.p50, latency.p90, latency.p95, latency.p99) == pytest.approx((51, 91, 96, 100))
    assert (latency.min, latency.max) == pytest.approx((1, 101))
    assert latency.samples == pytest.approx(tuple(range(1, 102)))
    assert latency.mean == pytest.approx(51)
    assert latency.iterations == 101


def test_fps_is_of_the_median_and_counts_images() -> None:
    latency = Latency.of([0.02, 0.02, 2.0])
    assert latency.fps() == pytest.approx(50)
    assert latency.fps(images=4) == pytest.approx(200)
    assert Latency.of([0.0]).fps() == np.inf


def test_a_fixed_number_of_iterations_after_the_warmup() -> None:
    calls: list[int] = []
    steps: list[tuple[int, int]] = []
    latency = measure_latency(calls.append, Schedule(iterations=3, warmup=2), lambda *step: steps.append(step))
    assert calls == [0, 1, 0, 1, 2]
    assert steps[-1] == (100, 100)
    assert latency.iterations == 3


class Clock:
    """Time that passes only when a call takes it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, seconds_a_call: float) -> None:
        self.now = 0.0
        self.seconds = seconds_a_call
        monkeypatch.setattr(timing.time, "perf_counter", lambda: self.now)

    def call(self, index: int) -> None:
        self.now += self.seconds


@pytest.mark.parametrize(
    ("seconds_a_call", "iterations"),
    [(2.0, 10), (0.1, 31), (0.001, 300)],
    ids=["slow: at least 10", "at least 3 s", "fast: at most 300"],
)
def test_the_default_schedule(monkeypatch: pytest.MonkeyPatch, seconds_a_call: float, iterations: int) -> None:
    clock = Clock(monkeypatch, seconds_a_call)
    steps: list[tuple[int, int]] = []
    latency = measure_latency(clock.call, Schedule(), lambda *step: steps.append(step))
    assert abs(latency.iterations - iterations) <= 1
    assert latency.p50 == pytest.approx(seconds_a_call * 1000)
    assert steps[-1] == (100, 100)
    assert steps == sorted(steps)


def test_schedules_that_make_no_sense() -> None:
    with pytest.raises(YolactDeployError, match="iterations 0: 1 or more"):
        Schedule(iterations=0)
    with pytest.raises(YolactDeployError, match="warmup -1: 0 or more"):
        Schedule(warmup=-1)
