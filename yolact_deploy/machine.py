"""The facts about this machine that decide whether an engine runs on it."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

TEGRA_RELEASE = Path("/etc/nv_tegra_release")  # on every Jetson
DEVICE_MODEL = Path("/proc/device-tree/model")  # the board's name
JETSONS = {"7.2": "Jetson Xavier", "8.7": "Jetson Orin", "10.1": "Jetson Thor", "11.0": "Jetson Thor"}
DATA_CENTRE_CARDS = {"6.0": "P100", "7.0": "V100", "9.0": "H100 or H200", "10.0": "B200", "10.3": "B300"}
PROBE_SECONDS = 60  # nvidia-smi wakes a sleeping driver; nvcc starts from a cold disk

_JETPACK_OF_L4T = {"36.4": "6.1-6.2", "36.3": "6.0", "36.2": "6.0", "38.2": "7.0", "38.4": "7.1"}


@dataclass(frozen=True)
class GpuInfo:
    """One NVIDIA GPU."""

    name: str
    compute_capability: str  # such as "8.7"


@dataclass(frozen=True)
class Machine:
    """What an engine depends on. None: not known."""

    runtime: str  # tensorrt or tensorrt-rtx
    version: str  # of that library
    cuda: str | None = None  # of the CUDA runtime, such as "13.0"
    gpu: str | None = None
    compute_capability: str | None = None
    jetpack: str | None = None

    def describe(self) -> str:
        """One phrase, such as "TensorRT 10.3.0, Orin (compute capability 8.7), JetPack 6.1"."""
        parts = [f"{runtime_title(self.runtime)} {self.version}"]
        if self.gpu is not None:
            parts.append(f"{self.gpu} (compute capability {self.compute_capability or 'unknown'})")
        if self.jetpack is not None:
            parts.append(f"JetPack {self.jetpack}")
        return ", ".join(parts)


def runtime_title(runtime: str) -> str:
    """The name that NVIDIA gives a runtime."""
    return {"tensorrt": "TensorRT", "tensorrt-rtx": "TensorRT for RTX"}.get(runtime, runtime)


def is_jetson() -> bool:
    """Whether this is a Jetson."""
    return TEGRA_RELEASE.is_file()


def jetpack_version() -> str | None:
    """The JetPack release, from the package or else from the L4T release; None when this is no Jetson."""
    if not is_jetson():
        return None
    package = output_of("dpkg-query", "--show", "--showformat=${Version}", "nvidia-jetpack")
    if package:
        return package.strip().partition("+")[0]
    release = l4t_release()
    if release is None:
        return "unknown"
    minor = ".".join(release.split(".")[:2])
    return _JETPACK_OF_L4T.get(minor, f"of L4T {minor}")


def l4t_release() -> str | None:
    """The L4T release of a Jetson, such as "36.4.3"; None when its file says nothing."""
    match = re.search(r"R(\d+).*?REVISION:\s*([\d.]+)", TEGRA_RELEASE.read_text(errors="replace"))
    return f"{match[1]}.{match[2]}" if match else None


def board_name() -> str | None:
    """What the device tree calls this board, such as "NVIDIA Jetson AGX Orin Developer Kit"; None on a PC."""
    try:
        return DEVICE_MODEL.read_text(errors="replace").strip("\0\n ") or None
    except OSError:
        return None


def gpu_from_driver() -> GpuInfo | None:
    """The first GPU that nvidia-smi lists, for where no CUDA binding for Python is installed."""
    for capability, name in nvidia_smi("compute_cap", "name")[:1]:
        if re.fullmatch(r"\d+\.\d+", capability):
            return GpuInfo(name, capability)
    return None


def nvidia_smi(*fields: str) -> list[tuple[str, ...]]:
    """What nvidia-smi says of each GPU, one value per field; empty where it is missing or fails.

    Only one field may hold commas, and it comes last.
    """
    output = output_of("nvidia-smi", f"--query-gpu={','.join(fields)}", "--format=csv,noheader") or ""
    rows = [tuple(part.strip() for part in line.split(",", len(fields) - 1)) for line in output.splitlines()]
    return [row for row in rows if len(row) == len(fields)]


def output_of(*command: str | Path, even_failed: bool = False, stderr: bool = False) -> str | None:
    """What a command prints on stdout, or on stderr; None when it is not there or, unless `even_failed`, fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=PROBE_SECONDS)
    except (OSError, subprocess.SubprocessError):
        return None
    if done.returncode != 0 and not even_failed:
        return None
    return done.stderr if stderr else done.stdout


def has_int8_instructions(cpuinfo: Path = Path("/proc/cpuinfo")) -> bool | None:
    """Whether this CPU has int8 dot products (VNNI; on Arm, dotprod); None where it does not say."""
    try:
        text = cpuinfo.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    flags = set(re.findall(r"^(?:flags|Features)\s*:(.*)$", text, re.MULTILINE)[:1])
    words = {word for line in flags for word in line.split()}
    return bool(words & {"avx512_vnni", "avx_vnni", "asimddp"}) if words else None
