"""The processor through psutil, which the extra `bench` brings: clock, temperature, and what other processes use."""

from __future__ import annotations

import importlib
import os
import time
from typing import Any

from .reading import Reading, SourceFacts

BUSY_SHARE = 0.5  # of the cores, used by other processes: more disturbs a measurement

# Names of the processor's sensors: drivers in /sys/class/hwmon, then types of zones in /sys/class/thermal.
_SENSORS = ("coretemp", "k10temp", "zenpower", "cpu_thermal", "x86_pkg_temp", "cpu-thermal", "CPU-therm")


class CpuSource:
    """Asks psutil. Nothing here raises: what psutil does not know is None."""

    def __init__(self, psutil: Any) -> None:
        """psutil: the module."""
        self._psutil = psutil
        frequency = self._ask("cpu_freq")
        self.facts = SourceFacts(name="CPU", tool="psutil", max_mhz=frequency.max or None if frequency else None)

    def read(self) -> Reading:
        """See `Source`."""
        frequency = self._ask("cpu_freq")
        sensors = self._ask("sensors_temperatures") or {}
        celsius = [item.current for name in _SENSORS for item in sensors.get(name, ()) if item.current]
        return Reading(
            seconds=time.monotonic(),
            celsius=max(celsius, default=None),
            mhz=frequency.current if frequency and self.facts.max_mhz else None,  # else what a virtual machine made up
        )

    def close(self) -> None:
        """See `Source`."""

    def _ask(self, function: str) -> Any:
        try:
            return getattr(self._psutil, function)()
        except (AttributeError, NotImplementedError, OSError, RuntimeError, ValueError):  # by platform
            return None


class OtherProcesses:
    """How many cores other processes use, from when this object is made."""

    def __init__(self) -> None:
        self._start = _cpu_times()

    def cores(self) -> float | None:
        """Mean number of cores since the start; None without psutil."""
        now = _cpu_times()
        if now is None or self._start is None or now[0] <= self._start[0]:
            return None
        return max(now[1] - self._start[1], 0.0) / (now[0] - self._start[0])


def _cpu_times() -> tuple[float, float] | None:
    """The clock, s, and the CPU time that all processes but this one have used, s."""
    psutil = _psutil()
    if psutil is None:
        return None
    times = psutil.cpu_times()._asdict()
    # The kernel counts guest time in user time already.
    used = sum(times.values()) - sum(times.get(name, 0.0) for name in ("idle", "iowait", "guest", "guest_nice"))
    return time.monotonic(), used - time.process_time()


def open_cpu() -> CpuSource | None:
    """None without psutil, and where it finds no sensor, as in many virtual machines."""
    psutil = _psutil()
    if psutil is None:
        return None
    source = CpuSource(psutil)
    return None if source.read().is_empty else source


def load_warning(load: float, cores: int) -> str | None:
    """Said when other work runs on the machine. load: mean number of busy threads over the last minute."""
    if load <= BUSY_SHARE * cores:
        return None
    return (
        f"the machine was busy before the measurement (load average {load:.1f}, {cores} cores): times may be too long"
    )


def busy_warning(used: float | None) -> str | None:
    """Said when other processes used many cores during the measurement. used: see `OtherProcesses.cores`."""
    cores = os.cpu_count() or 1
    if used is None or used <= BUSY_SHARE * cores:
        return None
    return f"other processes used {used:.1f} of {cores} cores during the measurement: times may be too long"


def _psutil() -> Any:
    try:
        return importlib.import_module("psutil")
    except ImportError:
        return None
