"""Power and temperature in a benchmark's results, with made-up sources."""

from __future__ import annotations

import json
import time
from functools import partial

import pytest

from tests.conftest import NANO_WEIGHTS
from yolact_deploy.benchmarks import bench
from yolact_deploy.benchmarks.bench import run_bench
from yolact_deploy.benchmarks.options import BenchOptions
from yolact_deploy.benchmarks.performance import speed
from yolact_deploy.benchmarks.report.json_report import to_json
from yolact_deploy.benchmarks.report.model import BenchReport
from yolact_deploy.benchmarks.report.text import to_markdown
from yolact_deploy.benchmarks.report.wording import alarms
from yolact_deploy.telemetry import Monitor, Reading, summary
from yolact_deploy.telemetry.reading import SourceFacts
from yolact_deploy.telemetry.sources import SILENT

OPTIONS = BenchOptions(models=(NANO_WEIGHTS,), limit=2, device="cpu", threads=1, iterations=4, warmup=1, repeats=2)


class Board:
    """Draws 10 W by a counter that grows by 5 J whenever it is read, and is throttled if told so."""

    facts = SourceFacts("Jetson", "tegrastats", power_of="the whole module", max_mhz=1020, power_mode="MAXN (0)")

    def __init__(self, *throttling: str) -> None:
        self._throttling = throttling
        self._reads = 0
        self.is_closed = False

    def read(self) -> Reading:
        self._reads += 1
        return Reading(time.monotonic(), 10.0, 5.0 * self._reads, 60.0, 918.0, 0.97, self._throttling)

    def close(self) -> None:
        self.is_closed = True


class Gpu(Board):
    """A GPU that has nothing to do with models on the CPU."""

    facts = SourceFacts("NVIDIA H200", "NVML", is_gpu=True)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Any time is long enough for energy, and nobody waits for idle power."""
    monkeypatch.setattr(summary, "MIN_ENERGY_SECONDS", 0.0)
    monkeypatch.setattr(speed, "Monitor", partial(Monitor, interval=60.0, idle_seconds=0.0))


def run(monkeypatch: pytest.MonkeyPatch, *sources: Board) -> BenchReport:
    monkeypatch.setattr(speed, "open_sources", lambda: list(sources))
    report = run_bench(OPTIONS)
    assert all(source.is_closed for source in sources)
    return report


def test_what_a_board_tells(monkeypatch: pytest.MonkeyPatch, quick: None) -> None:
    report = run(monkeypatch, Board())
    telemetry = report.models[0].telemetry
    assert telemetry is not None
    assert telemetry.images == 4 + 2 * 1  # warm-up of both rounds included
    (watched,) = telemetry.watched
    assert (watched.energy, watched.energy_from) == (10.0, "its counter")  # a reading at each end of two rounds
    assert watched.joules_per_image == pytest.approx(10 / 6)
    plain = json.loads(json.dumps(to_json(report)))["models"][0]["telemetry"]
    assert plain["images"] == 6
    assert plain["watched"][0]["power_mode"] == "MAXN (0)"
    assert plain["watched"][0]["clock"] == {"low": 918.0, "mean": 918.0, "high": 918.0}
    text = to_markdown(report)
    assert "| yolact_nano_22_4148.pth | Jetson |" in text
    assert "918 of 1020 | no |" in text
    assert "- Jetson: read by tegrastats, MAXN (0), power of the whole module" in text
    assert not alarms(report)


def test_a_throttled_model_is_an_alarm(monkeypatch: pytest.MonkeyPatch, quick: None) -> None:
    report = run(monkeypatch, Board("power limit"))
    line = "yolact_nano_22_4148.pth ran throttled (power limit, in 100% of the readings): its times are not typical"
    assert alarms(report) == [line]
    assert line in to_json(report)["notes"]
    assert f"**{line}**" in to_markdown(report)
    assert report.passed  # it says nothing of accuracy


def test_a_gpu_that_the_model_does_not_use(monkeypatch: pytest.MonkeyPatch, quick: None) -> None:
    report = run(monkeypatch, Gpu("power limit"))
    assert report.models[0].telemetry is None
    assert to_json(report)["models"][0]["telemetry"] is None
    assert not alarms(report)


def test_a_machine_that_tells_nothing_says_so_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speed, "open_sources", list)
    monkeypatch.setattr(bench, "busy_notes", lambda: ["the machine was busy"])
    report = run_bench(OPTIONS)
    assert report.notes[:2] == ("the machine was busy", SILENT)
    assert "Power and temperature" not in to_markdown(report)
    assert to_json(report)["models"][0]["telemetry"] is None
