"""The processor's source, on a psutil that says what a test wants."""

from __future__ import annotations

import sys
import time
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from yolact_deploy.telemetry import cpu
from yolact_deploy.telemetry.cpu import CpuSource, OtherProcesses, busy_warning, load_warning, open_cpu


def said_by(**functions: Any) -> SimpleNamespace:
    """A psutil with these functions; each must be one of the real module."""
    for name in functions:
        assert name == "sensors_temperatures" or hasattr(psutil, name)  # the first is there on Linux only
    return SimpleNamespace(**functions)


def sensor(celsius: float) -> SimpleNamespace:
    return SimpleNamespace(label="", current=celsius, high=None, critical=None)


def test_a_desktop() -> None:
    source = CpuSource(
        said_by(
            cpu_freq=lambda: SimpleNamespace(current=3000.0, min=800.0, max=4200.0),
            sensors_temperatures=lambda: {"nvme": [sensor(90)], "coretemp": [sensor(58), sensor(61)]},
        )
    )
    reading = source.read()
    assert (reading.mhz, reading.celsius, source.facts.max_mhz) == (3000, 61, 4200)  # not the disk's temperature
    assert reading.watts is None


def raises(error: Exception) -> Any:
    def function() -> None:
        raise error

    return function


@pytest.mark.parametrize(
    "functions",
    [
        {},
        {"cpu_freq": lambda: None, "sensors_temperatures": dict},
        {"cpu_freq": raises(NotImplementedError()), "sensors_temperatures": raises(OSError(5, "no"))},
        {"cpu_freq": lambda: SimpleNamespace(current=0.0, min=0.0, max=0.0)},
    ],
)
def test_a_machine_that_tells_nothing(functions: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    assert CpuSource(said_by(**functions)).read().is_empty
    monkeypatch.setitem(sys.modules, "psutil", said_by(**functions))
    assert open_cpu() is None


def test_without_psutil_nothing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psutil", None)
    assert open_cpu() is None
    assert OtherProcesses().cores() is None


def test_the_real_psutil_is_asked_without_error() -> None:
    assert CpuSource(psutil).read().seconds > 0
    assert (OtherProcesses().cores() or 0.0) >= 0


def test_cores_of_other_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    """In 10 s all processes use 18 s of the cores, this one 3 s of these."""
    times = {"user": 100.0, "system": 50.0, "idle": 400.0, "iowait": 7.0, "guest": 40.0}
    now = own = 0.0
    monkeypatch.setattr(psutil, "cpu_times", lambda: SimpleNamespace(_asdict=lambda: dict(times)))
    monkeypatch.setattr(time, "monotonic", lambda: now)
    monkeypatch.setattr(time, "process_time", lambda: own)
    others = OtherProcesses()
    now, own = 10.0, 3.0
    for name, seconds in (("user", 12), ("system", 6), ("idle", 2), ("iowait", 5), ("guest", 12)):
        times[name] += seconds
    assert others.cores() == pytest.approx(1.5)


@pytest.mark.parametrize(
    ("load", "cores", "warned"), [(0.0, 2, False), (1.0, 2, False), (1.1, 2, True), (40.0, 64, True)]
)
def test_a_busy_machine_is_said(load: float, cores: int, warned: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cpu.os, "cpu_count", lambda: cores)
    for warning in (load_warning(load, cores), busy_warning(load)):
        assert (warning is not None) == warned
        assert warning is None or (f"{load:.1f}" in warning and f"{cores} cores" in warning)
    assert busy_warning(None) is None
