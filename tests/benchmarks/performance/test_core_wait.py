"""Waiting for a core: read from the kernel's counters, and taken out of what is compared."""

from __future__ import annotations

import os
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.benchmarks.regression.test_comparison import change_of, compared
from tests.benchmarks.report.test_text import model, report_of
from yolact_deploy.benchmarks.performance.core_wait import CoreWait
from yolact_deploy.benchmarks.performance.load import Throughput
from yolact_deploy.benchmarks.performance.timing import Latency, Round
from yolact_deploy.benchmarks.regression.comparison import slowdown
from yolact_deploy.benchmarks.report.comparison_table import comparison_lines
from yolact_deploy.benchmarks.report.model import BenchReport
from yolact_deploy.benchmarks.report.text import to_json, to_markdown

TICKS = os.sysconf("SC_CLK_TCK")


class Counters:
    """A folder that says what the kernel would."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self._own = 0.0
        (folder / "thread-self").mkdir()
        monkeypatch.setattr(time, "process_time", lambda: self._own)
        self.say(waited=5.0, others=100.0)

    def say(self, waited: float, others: float, own: float = 0.0) -> None:
        """Waited: s of the thread; own, others: s of cores that this process and the others have used."""
        self._own = own
        (self.folder / "thread-self" / "schedstat").write_text(f"123456789 {round(waited * 1e9)} 42\n")
        user, system, steal = (round(share * (others + own) * TICKS) for share in (0.5, 0.25, 0.25))
        # user nice system idle iowait irq softirq steal guest guest_nice
        idle, iowait, guest = (round(7 * others * TICKS) for _ in range(3))  # not work, or counted in user already
        line = f"cpu  {user} 0 {system} {idle} {iowait} 0 0 {steal} {guest} 0"
        (self.folder / "stat").write_text(f"{line}\ncpu0 1 2 3 4 5 6 7 8 9 10\n")


@pytest.fixture
def counters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Counters:
    return Counters(tmp_path, monkeypatch)


def test_waiting_is_the_second_number_in_nanoseconds(counters: Counters) -> None:
    with CoreWait(counters.folder) as core:
        assert core.seconds() == 5.0
        counters.say(waited=6.25, others=200)
        assert core.seconds() == 6.25


@pytest.mark.parametrize(
    ("others", "own", "expected"),
    [
        (110.0, 3.0, (1.0, 0.5)),  # the others used 10 s: all of it may be their doing
        (100.3, 50.0, (0.2, 0.1)),  # 0.3 s of theirs: the rest is the process waiting for itself
        (100.0, 50.0, (0.0, 0.0)),
        (99.0, 50.0, (0.0, 0.0)),  # counters that do not quite agree
    ],
)
def test_no_more_is_caused_by_others_than_they_used(
    counters: Counters, others: float, own: float, expected: tuple[float, ...]
) -> None:
    with CoreWait(counters.folder) as core:
        counters.say(waited=6.5, others=others, own=own)
        assert core.caused_by_others([1.0, 0.5]) == pytest.approx(expected, abs=3 / TICKS)


def test_no_waiting_is_not_unknown(counters: Counters) -> None:
    with CoreWait(counters.folder) as core:
        assert core.caused_by_others([0.0, 0.0]) == (0.0, 0.0)


@pytest.mark.parametrize("content", [None, "", "12", "1 x 2"])
def test_a_system_that_does_not_tell(counters: Counters, content: str | None) -> None:
    schedstat = counters.folder / "thread-self" / "schedstat"
    schedstat.unlink()
    if content is not None:
        schedstat.write_text(content)
    with CoreWait(counters.folder) as core:
        assert core.seconds() == 0.0
        assert core.caused_by_others([1.0]) == ()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Linux counts")
def test_files_are_closed(counters: Counters) -> None:
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(3):
        with CoreWait(counters.folder):
            assert len(os.listdir("/proc/self/fd")) == before + 1
    assert len(os.listdir("/proc/self/fd")) == before


def test_rounds_with_and_without_waiting() -> None:
    rounds = [
        Round((0.03, 0.05, 0.02), (), 0.11, (0.01, 0.03, 0.0)),
        Round((0.02, 0.08), (), 0.12, (0.0, 0.09)),
    ]
    latency = Latency.of_rounds(rounds)
    assert latency.rounds == pytest.approx((30, 50))
    assert latency.rounds_on_core == pytest.approx((20, 10))  # never below 0
    assert latency.waited == pytest.approx((0.04 + 0.08) / 0.2)
    throughput = Throughput.of(rounds, images=2)
    assert throughput.rounds == pytest.approx((6 / 0.11, 4 / 0.12))
    assert throughput.rounds_on_core == pytest.approx((6 / 0.07, 4 / 0.04))
    unknown = [replace(rounds[0], waited=()), rounds[1]]
    assert Latency.of_rounds(unknown).rounds_on_core == ()
    assert Latency.of_rounds(unknown).waited is None


def run(waited: float, factor: float = 1.0, is_known: bool = True, seed: int = 0) -> BenchReport:
    """20 ms a call, while other processes take `waited` of the core."""
    random = np.random.default_rng(seed)
    rounds = []
    for _ in range(3):
        work = 0.02 * factor * np.exp(random.normal(0, 0.01, 40))
        waits = work * waited / (1 - waited)
        seconds = tuple((work + waits).tolist())
        rounds.append(Round(seconds, (), sum(seconds), tuple(waits.tolist()) if is_known else ()))
    timing = model("net.onnx").timing
    timing = replace(timing, end_to_end=Latency.of_rounds(rounds), throughput=Throughput.of(rounds, 1))
    return report_of(model("net.onnx", timing=timing), reference=None)


@pytest.mark.parametrize("what", ["end to end", "throughput"])
def test_a_busier_machine_is_no_change(what: str) -> None:
    idle, busy = run(0.0), run(0.6, seed=1)
    for old, new in ((idle, busy), (busy, idle)):
        change = change_of(compared(old, new, 0.05), what)
        assert change.verdict == "no change"
        assert change.old / change.new == pytest.approx(1, rel=0.02)
        assert change.waited == pytest.approx((0, 0.6) if old is idle else (0.6, 0), abs=0.01)
    assert compared(idle, busy, 0.05).passed
    (line,) = (line for line in comparison_lines(compared(idle, busy)) if "cores that it needed" in line)
    assert "for 0% of the time then, 60% now" in line


def test_on_a_busy_machine_a_fifth_is_seen() -> None:
    comparison = compared(run(0.7), run(0.5, factor=1.2, seed=1), 0.05)
    for what in ("end to end", "throughput"):
        change = change_of(comparison, what)
        assert change.verdict == "slower"
        assert slowdown(change) == pytest.approx(0.2, abs=0.02)
    assert len(comparison.failures) == 2
    change = change_of(comparison, "end to end")
    assert (change.old, change.new) == pytest.approx((20, 24), rel=0.02)
    times = f"end to end went from {change.old:.2f} to {change.new:.2f} ms"
    assert f"{times}, without waiting for cores that other processes had, " in comparison.failures[0]
    change = change_of(comparison, "throughput")
    assert (change.old, change.new) == pytest.approx((50, 50 / 1.2), rel=0.02)


def test_waiting_is_said_of_a_run_too() -> None:
    report = run(0.6)
    (line,) = (line for line in to_json(report)["notes"] if "waiting" in line)
    assert line == "net.onnx: end to end, 60% of the time went by waiting for a core that other processes had"
    assert line in to_markdown(report)
    comparison = compared(run(0.0), report)
    value = to_json(replace(report, comparison=comparison))["comparison"]
    assert value["notes"] == comparison_lines(comparison)[1:]
    assert not [line for line in to_json(run(0.01))["notes"] if "waiting" in line]


def test_where_one_run_does_not_know_the_times_are_compared_as_they_are() -> None:
    change = change_of(compared(run(0.6, is_known=False), run(0.0, seed=1)), "end to end")
    assert (change.verdict, change.waited) == ("faster", None)
    assert not [line for line in comparison_lines(compared(run(0.01), run(0.0))) if "cores that it needed" in line]
