"""The processor: clocks, temperature, throttling and, where it may be read, energy, from /sys of any Linux machine."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from .reading import Reading, SourceFacts
from .sysfs import numbers, read_number, read_text

MAX_CLOCKS = 8  # cores whose clocks are read: asking one takes a while
BUSY_LOAD = 0.5  # of the cores: more before anything was measured disturbs

_SYSFS = Path("/sys")
_SENSORS = ("coretemp", "k10temp", "zenpower", "cpu_thermal")  # names of drivers in /sys/class/hwmon
_ZONES = ("x86_pkg_temp", "cpu-thermal", "cpu_thermal", "CPU-therm")  # types in /sys/class/thermal


@dataclass(frozen=True)
class CpuFiles:
    """Where /sys tells of the processor. None or empty: it does not."""

    clocks: tuple[Path, ...]  # kHz
    max_clock: Path | None  # kHz
    governor: Path | None
    temperatures: tuple[Path, ...]  # thousandths of a degree Celsius
    core_throttling: tuple[Path, ...]  # counters of each core
    package_throttling: tuple[Path, ...]  # counters of its package, the same for all cores of one
    packages: tuple[Path, ...]  # of the energy counters; several in a machine with several processors

    @classmethod
    def find(cls, sysfs: Path = _SYSFS, cpus: Sequence[int] = ()) -> CpuFiles:
        """Look for them. cpus: those that this process may use."""
        cores = [sysfs / f"devices/system/cpu/cpu{number}" for number in cpus]
        clocks = [path for core in cores if (path := core / "cpufreq/scaling_cur_freq").is_file()]
        step = -(-len(clocks) // MAX_CLOCKS) or 1
        sensors = [path for path in sysfs.glob("class/hwmon/hwmon*") if read_text(path / "name") in _SENSORS]
        zones = [path for path in sysfs.glob("class/thermal/thermal_zone*") if read_text(path / "type") in _ZONES]
        temperatures = [file for sensor in sensors for file in sensor.glob("temp*_input")]
        powercap = sysfs.glob("class/powercap/intel-rapl:*")
        return cls(
            clocks=tuple(clocks[::step]),
            max_clock=_file(clocks[0].with_name("cpuinfo_max_freq")) if clocks else None,
            governor=_file(clocks[0].with_name("scaling_governor")) if clocks else None,
            temperatures=tuple(sorted(temperatures or [zone / "temp" for zone in zones])),
            core_throttling=tuple(core / "thermal_throttle/core_throttle_count" for core in cores),
            package_throttling=tuple(core / "thermal_throttle/package_throttle_count" for core in cores),
            packages=tuple(sorted(path for path in powercap if re.fullmatch(r"intel-rapl:\d+", path.name))),
        )


def _file(path: Path) -> Path | None:
    return path if path.is_file() else None


class CpuSource:
    """Reads those files."""

    def __init__(self, files: CpuFiles) -> None:
        self._files = files
        readable = [path for path in files.packages if read_number(path / "energy_uj") is not None]
        self._packages = [_Package(path) for path in readable] if len(readable) == len(files.packages) else []
        max_khz = read_number(files.max_clock) if files.max_clock else None
        governor = read_text(files.governor) if files.governor else None
        hidden = files.packages and not self._packages
        self.facts = SourceFacts(
            name="CPU",
            tool="/sys",
            power_of="the processor's package (RAPL)" if self._packages else None,
            max_mhz=max_khz / 1e3 if max_khz else None,
            power_mode=f"governor {governor}" if governor else None,
            notes=("the processor's energy counter (RAPL) may be read by root only",) if hidden else (),
        )

    def read(self) -> Reading:
        """See `Source`."""
        now = time.monotonic()
        clocks = numbers(self._files.clocks)
        celsius = [value / 1e3 for value in numbers(self._files.temperatures)]
        joules = [package.joules() for package in self._packages]
        events = []
        if counts := numbers(self._files.core_throttling):
            events.append(("thermal throttling of cores", sum(counts)))
        if counts := numbers(self._files.package_throttling):
            events.append(("thermal throttling of the processor", max(counts)))
        return Reading(
            seconds=now,
            joules=sum(joules) if joules else None,
            celsius=max(celsius, default=None),
            mhz=sum(clocks) / len(clocks) / 1e3 if clocks else None,
            events=tuple(events),
        )

    def close(self) -> None:
        """See `Source`."""


class _Package:
    """One energy counter, which starts anew at some number."""

    def __init__(self, folder: Path) -> None:
        self._counter = folder / "energy_uj"
        self._range = read_number(folder / "max_energy_range_uj") or 0
        self._last = read_number(self._counter) or 0
        self._total = 0  # microjoules since this object was made

    def joules(self) -> float:
        """Since this object was made."""
        now = read_number(self._counter)
        if now is not None:
            used = now - self._last
            self._total += used if used >= 0 else max(used + self._range, 0)  # 0: nobody knows where it started anew
            self._last = now
        return self._total / 1e6


def open_cpu() -> CpuSource | None:
    """None where /sys tells nothing, as in many virtual machines."""
    cpus = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else range(os.cpu_count() or 1)
    source = CpuSource(CpuFiles.find(cpus=list(cpus)))
    return None if source.read().is_empty else source


def load_warning(load: float, cores: int) -> str | None:
    """Said when other work ran on the machine. load: mean number of busy threads over the last minute."""
    if load <= BUSY_LOAD * cores:
        return None
    return (
        f"the machine was busy before anything was measured (load average {load:.1f} on {cores} cores): "
        "times may be too long"
    )
