"""Schedules and percentiles. No test looks at how long something really takes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from tests.benchmarks.clock import Clock
from yolact_deploy.benchmarks.performance.timing import Latency, Round, Schedule, measure_round
from yolact_deploy.errors import YolactDeployError


def measure(
    call: Callable[[int], object], schedule: Schedule, advance: Callable[[int, int], None] = lambda done, total: None
) -> Latency:
    """All rounds, one after the other; the index goes on counting from round to round."""
    rounds: list[Round] = []
    for index, part in enumerate(schedule.parts()):
        first = sum(len(each.seconds) for each in rounds)
        rounds.append(measure_round(call, part, schedule.warmup_of(index), first, advance))
    return Latency.of_rounds(rounds)


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
    latency = measure(calls.append, Schedule(iterations=3, warmup=2), lambda *step: steps.append(step))
    assert calls == [0, 1, 0, 1, 2]
    assert steps[-1] == (100, 100)
    assert latency.iterations == 3


@pytest.mark.parametrize(
    ("seconds_a_call", "iterations"),
    [(2.0, 10), (0.1, 31), (0.001, 300)],
    ids=["slow: at least 10", "at least 3 s", "fast: at most 300"],
)
def test_the_default_schedule(monkeypatch: pytest.MonkeyPatch, seconds_a_call: float, iterations: int) -> None:
    clock = Clock(monkeypatch, seconds_a_call)
    steps: list[tuple[int, int]] = []
    latency = measure(clock.call, Schedule(), lambda *step: steps.append(step))
    assert abs(latency.iterations - iterations) <= 1
    assert latency.p50 == pytest.approx(seconds_a_call * 1000)
    assert steps[-1] == (100, 100)
    assert steps == sorted(steps)


def test_schedules_that_make_no_sense() -> None:
    with pytest.raises(YolactDeployError, match="iterations 0: 1 or more"):
        Schedule(iterations=0)
    with pytest.raises(YolactDeployError, match="warmup -1: 0 or more"):
        Schedule(warmup=-1)


def test_rounds_share_what_is_to_be_measured() -> None:
    assert [part.at_least for part in Schedule(iterations=8, rounds=3).parts()] == [2, 3, 3]
    assert [part.at_least for part in Schedule(iterations=2, rounds=3).parts()] == [1, 1]
    for part in Schedule(duration=6.0, rounds=3).parts():
        assert part.goes_on(10**6, 1.99)
        assert not part.goes_on(1, 2.0)
        assert part.goes_on(0, 9.0)
    (part, *_) = parts = Schedule(rounds=3).parts()
    assert len(parts) == 3
    assert (part.at_least, part.at_most, part.seconds) == (4, 100, 1.0)


@pytest.mark.parametrize("seconds_a_call", [0.01, 0.3])
def test_a_duration(monkeypatch: pytest.MonkeyPatch, seconds_a_call: float) -> None:
    clock = Clock(monkeypatch, seconds_a_call)
    latency = measure(clock.call, Schedule(duration=6.0, rounds=2))
    assert latency.iterations * seconds_a_call == pytest.approx(6.0, abs=2.1 * seconds_a_call)
    assert len(latency.rounds) == 2


def test_a_round_knows_when_each_call_began_and_leaves_out_the_warmup(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    (part,) = Schedule(iterations=3).parts()
    called: list[int] = []

    def call(index: int) -> None:
        called.append(index)
        clock.pass_by(100.0 if len(called) <= 2 else float(index))

    done = measure_round(call, part, warmup=2, first=5)
    assert called == [5, 6, 5, 6, 7]
    assert done == Round(seconds=(5.0, 6.0, 7.0), started=(200.0, 205.0, 211.0), wall=18.0)
    latency = Latency.of_rounds([done, Round((1.0,), (250.0,), 1.0)], origin=200.0)
    assert latency.samples == (5000.0, 6000.0, 7000.0, 1000.0)
    assert latency.started == (0.0, 5.0, 11.0, 50.0)
    assert latency.rounds == (6000.0, 1000.0)
    assert latency.p50 == 5500.0


def test_later_rounds_warm_up_too_and_count_on() -> None:
    called: list[int] = []
    latency = measure(called.append, Schedule(iterations=3, warmup=3, rounds=2))
    assert called == [0, 1, 2, 0, 1, 2, 1, 2]
    assert latency.iterations == 3
