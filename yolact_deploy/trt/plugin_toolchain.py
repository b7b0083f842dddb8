"""What compiling the plugins takes: nvcc, TensorRT's headers, CMake and a list of GPUs."""

from __future__ import annotations

import importlib.util
import os
import platform
import re
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ..errors import ConfigError, MissingDependencyError, YolactDeployError
from ..machine import gpu_from_driver, output_of
from .cuda import open_backend
from .library import load_tensorrt

ARCHITECTURES = (75, 80, 86, 87, 89, 90, 100, 110, 120)  # 87: Orin, 110: Thor
HEADER = "NvInferRuntime.h"
CUDA_HOME = Path("/usr/local/cuda")
SYSTEM_INCLUDES = ("/usr/include/{machine}-linux-gnu", "/usr/include", "/usr/local/tensorrt/include")


@dataclass(frozen=True)
class Nvcc:
    """A CUDA compiler."""

    path: Path
    version: str  # such as "13.0"
    architectures: tuple[int, ...]  # that it compiles for
    root: Path  # of its toolkit, with include and lib64

    @property
    def library_folder(self) -> Path | None:
        """Where its libraries are, if it does not find them itself: the wheels have no lib64."""
        return self.root / "lib" if (self.root / "lib").is_dir() and not (self.root / "lib64").exists() else None


@dataclass(frozen=True)
class TensorRTHeaders:
    """A folder with TensorRT's headers."""

    folder: Path
    version: str  # such as "10.14.1"

    @property
    def major(self) -> int:
        """Its first number."""
        return int(self.version.partition(".")[0])


def find_nvcc() -> Nvcc:
    """The first of: $CUDACXX, $CUDA_HOME, PATH, /usr/local/cuda, NVIDIA's wheels.

    Raises MissingDependencyError when there is none.
    """
    for path in _nvcc_candidates():
        version = output_of(path, "--version")
        match = re.search(r"release (\d+\.\d+)", version or "")
        if match is not None:
            listed = re.findall(r"compute_(\d+)$", output_of(path, "--list-gpu-arch") or "", re.MULTILINE)
            return Nvcc(path, match[1], tuple(int(number) for number in listed), _toolkit_of(path))
    raise MissingDependencyError(
        "compiling the plugins needs nvcc: install the CUDA toolkit (on a Jetson: sudo apt install nvidia-jetpack), or "
        'pip install "yolact-deploy[plugins]"'
    )


def _nvcc_candidates() -> Iterator[Path]:
    if os.environ.get("CUDACXX"):
        yield Path(os.environ["CUDACXX"])
    if os.environ.get("CUDA_HOME"):
        yield Path(os.environ["CUDA_HOME"]) / "bin/nvcc"
    found = shutil.which("nvcc")
    if found is not None:
        yield Path(found)
    yield CUDA_HOME / "bin/nvcc"
    yield from compilers_of_wheels()


def compilers_of_wheels() -> list[Path]:
    """The nvcc of NVIDIA's wheels, newest CUDA first."""
    return [path for folder in _package_folders("nvidia") for path in sorted(folder.glob("cu*/bin/nvcc"), reverse=True)]


def _toolkit_of(nvcc: Path) -> Path:
    """The toolkit's folder as nvcc itself sees it: the one on the PATH may be a script that calls another."""
    output = output_of(nvcc, "--dryrun", "--compile", "-x", "cu", os.devnull, stderr=True)
    match = re.search(r"^#\$ TOP=(.+)$", output or "", re.MULTILINE)
    return Path(match[1].strip()).resolve() if match is not None else nvcc.resolve().parent.parent


def find_headers(named: Path | None = None) -> TensorRTHeaders:
    """TensorRT's headers: `named`, or the first of $TENSORRT_ROOT, the system's folders and the wheel kernel-lens.

    Raises ConfigError when `named` has none, MissingDependencyError when nothing has, YolactDeployError when they are
    of another major version than the TensorRT that is installed here.
    """
    if named is not None and not (named / HEADER).is_file():
        raise ConfigError(f"--tensorrt-include {named}: there is no {HEADER} in it")
    for folder in [named] if named is not None else _include_candidates():
        if (folder / HEADER).is_file():
            headers = TensorRTHeaders(folder, _header_version(folder))
            _check_major(headers)
            return headers
    raise MissingDependencyError(
        "compiling the plugins needs TensorRT's headers: install libnvinfer-headers-dev (a part of JetPack), set "
        "TENSORRT_ROOT, pass --tensorrt-include, or pip install --no-deps kernel-lens==2.0.1 (headers of 10.14)"
    )


def _include_candidates() -> Iterator[Path]:
    root = os.environ.get("TENSORRT_ROOT")
    if root:
        yield Path(root) / "include"
        yield from sorted(Path(root).glob("include/*-linux-gnu"))
        yield Path(root)
    for template in SYSTEM_INCLUDES:
        yield Path(template.format(machine=platform.machine()))
    for folder in _package_folders("kernel_lens"):
        yield folder / "include/tensorrt"


def _header_version(folder: Path) -> str:
    """From NvInferVersion.h, where a number may be the name of another macro."""
    try:
        text = (folder / "NvInferVersion.h").read_text(errors="replace")
    except OSError:
        raise ConfigError(f"{folder} has {HEADER} but no NvInferVersion.h: name a complete folder") from None
    macros: dict[str, str] = dict(re.findall(r"^#define\s+(\w+)\s+(\w+)", text, re.MULTILINE))
    numbers = []
    for part in ("MAJOR", "MINOR", "PATCH"):
        value = macros.get(f"NV_TENSORRT_{part}", "")
        numbers.append(macros.get(value, value))
    if not all(number.isdigit() for number in numbers):
        raise ConfigError(f"{folder}/NvInferVersion.h does not say its version: name another folder")
    return ".".join(numbers)


def _check_major(headers: TensorRTHeaders) -> None:
    try:
        installed = load_tensorrt("tensorrt").version
    except YolactDeployError:
        return  # none here: the library may be for another machine
    if installed.partition(".")[0] != str(headers.major):
        raise YolactDeployError(
            f"the headers in {headers.folder} are of TensorRT {headers.version}, installed here is {installed}: "
            f"pass --tensorrt-include with the headers of {installed}"
        )


def choose_architectures(asked: str | None, nvcc: Nvcc) -> tuple[int, ...]:
    """The GPUs to compile for: `asked`, such as "87,89", or the one that is here.

    Raises ConfigError for what is unknown, or unknown to this nvcc, and YolactDeployError when there is no GPU to ask.
    """
    if asked is None:
        numbers = [_architecture_here()]
    else:
        parts = [part.strip() for part in asked.split(",")]
        known = {str(number): number for number in ARCHITECTURES}
        for part in parts:
            if part not in known:
                raise ConfigError(f"--arch {part!r} is unknown: use {','.join(known)} (87 is Orin, 110 is Thor)")
        numbers = sorted({known[part] for part in parts})
    for number in numbers:
        if nvcc.architectures and number not in nvcc.architectures:
            raise ConfigError(
                f"nvcc {nvcc.version} ({nvcc.path}) cannot compile for {number}: leave it out, or set CUDACXX to "
                "another one"
            )
    return tuple(numbers)


def cmake_architectures(numbers: tuple[int, ...]) -> tuple[str, ...]:
    """Machine code for each, and PTX of the highest, which newer GPUs compile when the library is loaded."""
    return (*(f"{number}-real" for number in numbers), f"{numbers[-1]}-virtual")


def _architecture_here() -> int:
    try:
        backend = open_backend()
    except YolactDeployError:
        gpu = gpu_from_driver()
    else:
        gpu = backend.gpu
        backend.close()
    if gpu is None:
        raise YolactDeployError("no GPU is found here: name what to compile for, such as --arch 87 (Orin) or --arch 89")
    return int(gpu.compute_capability.replace(".", ""))


def find_tool(name: str, install: str) -> Path:
    """A program on the PATH or installed beside this Python. Raises MissingDependencyError."""
    found = shutil.which(name) or shutil.which(name, path=str(Path(sys.executable).parent))
    if found is None:
        raise MissingDependencyError(f"compiling the plugins needs {name}: {install}")
    return Path(found)


def _package_folders(name: str) -> list[Path]:
    """Where a Python package is, without importing it."""
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError):
        return []
    return [Path(folder) for folder in (spec.submodule_search_locations or ())] if spec is not None else []
