"""What a measurement ran on: a number without it means nothing."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from yolact_deploy._version import __version__
from yolact_deploy.inspection.doctor import MachineReport, examine_machine
from yolact_deploy.machine import DEVICE_MODEL

_CPUINFO = Path("/proc/cpuinfo")
_MEMINFO = Path("/proc/meminfo")
_PACKAGES = ("python", "torch", "onnx", "onnxruntime", "tensorrt", "tensorrt_rtx", "pycocotools")
_KIB = 1024


@dataclass(frozen=True)
class Hardware:
    """The machine, its software, and when."""

    cpu: str
    cores: int  # that this process may use
    memory_bytes: int | None
    gpu: str | None  # None: no NVIDIA GPU
    system: str
    versions: dict[str, str]  # title -> version, of what is installed
    tool_version: str
    date: str  # UTC, ISO 8601

    def lines(self) -> list[str]:
        """For people: machine, software."""
        memory = f", {self.memory_bytes / 2**30:.1f} GiB" if self.memory_bytes else ""
        gpu = f"; {self.gpu}" if self.gpu else "; no NVIDIA GPU"
        packages = ", ".join(f"{title} {version}" for title, version in self.versions.items())
        return [
            f"{self.cpu}, {self.cores} cores{memory}{gpu}; {self.system}",
            f"yolact-deploy {self.tool_version}, {packages}; {self.date}",
        ]


def describe_hardware() -> Hardware:
    """Look at this machine. Never raises for what it does not find."""
    report = examine_machine()
    found = {finding.key: finding for finding in report.findings}
    return Hardware(
        cpu=cpu_name(),
        cores=available_cores(),
        memory_bytes=_memory_bytes(),
        gpu=_gpu_name(report),
        system=_system_name(),
        versions={found[key].title: str(found[key].version) for key in _PACKAGES if found[key].is_there},
        tool_version=__version__,
        date=datetime.now(timezone.utc).isoformat(timespec="seconds"),
    )


def available_cores() -> int:
    """CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def cpu_name(cpuinfo: Path = _CPUINFO, device_model: Path = DEVICE_MODEL) -> str:
    """The processor's name: as x86 kernels give it, else the board's (ARM kernels give none), else the architecture."""
    fields: dict[str, str] = {}
    for line in _text_of(cpuinfo).splitlines():
        key, _, value = line.partition(":")
        fields.setdefault(key.strip(), value.strip())
    board = _text_of(device_model).strip("\0\n ")
    return fields.get("model name") or board or platform.processor() or platform.machine()


def _gpu_name(report: MachineReport) -> str | None:
    (gpu,) = (finding for finding in report.findings if finding.key == "gpu")
    return f"{gpu.detail} ({gpu.version})" if gpu.is_there else None


def _memory_bytes() -> int | None:
    for line in _text_of(_MEMINFO).splitlines():
        if line.startswith("MemTotal:"):
            return int(line.split()[1]) * _KIB
    return None


def _system_name() -> str:
    try:
        return f"{platform.freedesktop_os_release()['PRETTY_NAME']} ({platform.system()} {platform.release()})"
    except (OSError, KeyError):
        return platform.platform()


def _text_of(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
