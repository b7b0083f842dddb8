"""Sampling around a model's work, and what the readings come to."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from yolact_deploy.telemetry import Monitor, Reading, Telemetry
from yolact_deploy.telemetry.reading import SourceFacts
from yolact_deploy.telemetry.summary import Span, Spread, integrate_power, summarise

FACTS = SourceFacts("GPU", "NVML", True, "the board", 2000.0, "power limit 700 W")


class FakeSource:
    """Says what a function makes of the time."""

    def __init__(self, say: Callable[[float], Reading], facts: SourceFacts = FACTS) -> None:
        self.facts = facts
        self._say = say
        self.closed = 0
        self.reads = 0

    def read(self) -> Reading:
        self.reads += 1
        return self._say(time.monotonic())

    def close(self) -> None:
        self.closed += 1


def span(*watts: float, start: float = 0.0, end: float | None = None) -> Span:
    """Readings a second apart."""
    last = len(watts) - 1 if end is None else end
    return Span(start, last, tuple(Reading(float(second), value) for second, value in enumerate(watts)))


def test_energy_is_power_over_time() -> None:
    watched = summarise(FACTS, [span(10, 10, 20, 20), span(5, 5)], images=14, idle_power=3.0)
    assert watched.energy == pytest.approx(10 + 15 + 20 + 5)
    assert watched.energy_from == "power over time"
    assert watched.seconds == 4
    assert watched.joules_per_image == pytest.approx(50 / 14)
    assert watched.images_per_joule == pytest.approx(14 / 50)
    assert watched.power == Spread(5, pytest.approx(12.5), 20)
    assert (watched.idle_power, watched.power_of, watched.max_clock) == (3.0, "the board", 2000.0)


def test_a_counter_of_energy_is_preferred() -> None:
    spans = [
        Span(start, start + 2, (Reading(start, 100.0, 1000.0), Reading(start + 2, 100.0, 1090.0)))
        for start in (0.0, 5.0)
    ]
    watched = summarise(FACTS, spans, images=9, idle_power=None)
    assert (watched.energy, watched.energy_from, watched.joules_per_image) == (180, "its counter", 20)
    assert watched.power is not None
    assert watched.power.mean == 45


def test_a_counter_that_went_back_is_not_believed() -> None:
    readings = (Reading(0.0, 50.0, 1000.0), Reading(2.0, 50.0, 3.0))
    assert summarise(FACTS, [Span(0, 2, readings)], 1, None).energy_from == "power over time"


@pytest.mark.parametrize("missing", ["start", "end"])
def test_a_source_that_was_silent_for_part_of_the_time_tells_no_energy(missing: str) -> None:
    """Such as a tool that died: what came then is not what came before."""
    moments = range(7, 11) if missing == "start" else range(4)
    by_power = Span(0, 10, tuple(Reading(float(second), 50.0) for second in moments))
    counted = Span(0, 10, tuple(Reading(float(second), None, 50.0 * second) for second in moments))
    for silent in (by_power, counted):
        watched = summarise(FACTS, [silent], 1, None)
        assert (watched.energy, watched.energy_from, watched.joules_per_image) == (None, None, None)
    assert summarise(FACTS, [by_power], 1, None).power == Spread(50, 50, 50)


def test_too_short_for_energy() -> None:
    watched = summarise(FACTS, [span(10, 10, end=0.5)], images=3, idle_power=None)
    assert (watched.energy, watched.joules_per_image, watched.images_per_joule) == (None, None, None)
    assert watched.power is not None


def test_nothing_said_is_none_and_no_images_no_division() -> None:
    watched = summarise(SourceFacts("CPU", "/sys", power_of="the package"), [Span(0, 5, ())], images=0, idle_power=None)
    values = (watched.power, watched.energy, watched.temperature, watched.clock, watched.utilisation)
    assert values == (None,) * 5
    assert watched.power_of is None
    assert watched.throttling is None
    assert Telemetry(0, (watched,)).throttling == ()
    assert summarise(FACTS, [span(10, 10, 10)], images=0, idle_power=None).joules_per_image is None


@given(
    st.lists(st.tuples(st.floats(0, 10), st.floats(0, 500)), min_size=1, max_size=20, unique_by=lambda pair: pair[0]),
    st.floats(0, 4),
    st.floats(5, 10),
)
def test_integration_against_a_fine_sum(points: list[tuple[float, float]], start: float, end: float) -> None:
    points = sorted(points)
    readings = tuple(Reading(seconds, watts) for seconds, watts in points)
    joules = integrate_power(Span(start, end, readings))
    steps = 20000
    width = (end - start) / steps
    middles = start + (np.arange(steps) + 0.5) * width
    times, watts = (np.array(values) for values in zip(*points, strict=True))
    expected = float(np.sum(np.interp(middles, times, watts)) * width)
    assert joules == pytest.approx(expected, abs=500 * width * len(points) + 1e-6)


def test_throttling_by_share_and_by_count() -> None:
    def reading(second: float, reasons: tuple[str, ...], count: int) -> Reading:
        return Reading(second, throttling=reasons, events=(("over-current", count), ("heat", 7)))

    spans = [
        Span(0, 1, (reading(0, ("power limit",), 10), reading(1, (), 12))),
        Span(9, 10, (reading(9, ("power limit", "hot"), 40), reading(10, ("power limit",), 45))),  # 28 between: others'
    ]
    watched = summarise(FACTS, spans, 1, None)
    assert watched.throttling is not None
    assert [reason.describe() for reason in watched.throttling] == [
        "power limit, in 75% of the readings",
        "hot, in 25% of the readings",
        "over-current, 7 times",
    ]
    assert Telemetry(1, (watched, watched)).throttling[3:] == Telemetry(1, (watched,)).throttling


def test_the_monitor_reads_at_both_ends_and_between() -> None:
    source = FakeSource(lambda now: Reading(now, celsius=50 + now % 1))
    with Monitor([source], interval=0.02) as monitor:
        record = monitor.record()
        for _ in range(2):
            with monitor.watching(record):
                time.sleep(0.1)
            record.images += 5
        before = source.reads
        time.sleep(0.06)
        assert source.reads == before  # nobody reads between two stretches
        telemetry = monitor.telemetry(record, on_gpu=True)
    assert source.closed == 1
    assert telemetry is not None
    assert telemetry.images == 10
    (watched,) = telemetry.watched
    assert watched.readings >= 4
    assert watched.seconds >= 0.2
    assert watched.temperature is not None
    assert all(len(one.readings) >= 2 for one in record.spans[0])


def test_idle_power_is_measured_first_where_power_is_told() -> None:
    powers = iter([7.0] * 1000)
    told = FakeSource(lambda now: Reading(now, next(powers)))
    silent = FakeSource(lambda now: Reading(now, mhz=1000.0), SourceFacts("CPU", "/sys"))
    start = time.monotonic()
    with Monitor([told, silent], interval=0.01, idle_seconds=0.05) as monitor:
        assert time.monotonic() - start >= 0.05
        record = monitor.record()
        with monitor.watching(record):
            pass
        telemetry = monitor.telemetry(record, on_gpu=True)
    assert telemetry is not None
    assert [watched.idle_power for watched in telemetry.watched] == [7.0, None]


def test_idle_power_by_counter() -> None:
    source = FakeSource(lambda now: Reading(now, joules=30 * now))
    with Monitor([source], interval=0.01, idle_seconds=0.05) as monitor:
        record = monitor.record()
        with monitor.watching(record):
            pass
        telemetry = monitor.telemetry(record, on_gpu=True)
    assert telemetry is not None
    assert telemetry.watched[0].idle_power == pytest.approx(30, rel=1e-6)


def test_an_old_reading_counts_once() -> None:
    source = FakeSource(lambda now: Reading(1.0, celsius=50.0))
    monitor = Monitor([source], interval=0.01)
    record = monitor.record()
    with monitor.watching(record):
        time.sleep(0.05)
    assert len(record.spans[0][0].readings) == 1


def test_without_sources_nothing_happens() -> None:
    with Monitor([]) as monitor:
        record = monitor.record()
        with monitor.watching(record):
            pass
        assert monitor.telemetry(record, on_gpu=True) is None


def test_a_gpu_means_nothing_for_a_model_on_the_cpu() -> None:
    gpu = FakeSource(lambda now: Reading(now, celsius=50.0))
    cpu = FakeSource(lambda now: Reading(now, celsius=60.0), SourceFacts("CPU", "/sys"))
    with Monitor([gpu, cpu], interval=0.01) as monitor:
        record = monitor.record()
        with monitor.watching(record):
            pass
        for on_gpu, sources in ((True, ["GPU", "CPU"]), (False, ["CPU"])):
            telemetry = monitor.telemetry(record, on_gpu)
            assert telemetry is not None
            assert [watched.source for watched in telemetry.watched] == sources


def test_not_throttled_is_not_the_same_as_not_told() -> None:
    told, silent = Span(0, 1, (Reading(0.0, throttling=()),)), Span(0, 1, (Reading(0.0, 5.0),))
    assert summarise(FACTS, [told], 1, None).throttling == ()
    assert summarise(FACTS, [silent], 1, None).throttling is None


def test_a_source_that_says_nothing_leaves_no_trace() -> None:
    silent = FakeSource(Reading)
    monitor = Monitor([silent], interval=0.01)
    record = monitor.record()
    with monitor.watching(record):
        pass
    assert monitor.telemetry(record, on_gpu=True) is None


def test_work_that_fails_ends_the_sampling() -> None:
    source = FakeSource(lambda now: Reading(now, celsius=50.0))
    monitor = Monitor([source], interval=0.01)
    record = monitor.record()
    with pytest.raises(ZeroDivisionError), monitor.watching(record):
        _ = 1 / 0
    reads = source.reads
    time.sleep(0.05)
    assert source.reads == reads
    assert len(record.spans[0]) == 1
