"""What this machine has, what it can do with that, and what to install for the rest."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import platform
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from ..dependencies import BUILD_COMMAND, INSTALL_LINES
from ..errors import YolactDeployError
from ..machine import board_name, is_jetson, l4t_release, nvidia_smi, output_of
from ..trt.plugin_library import find_library, library_path, read_record

CUDA_HOME = Path("/usr/local/cuda")

_DISTRIBUTIONS = {  # import name -> the distributions that may bring it
    "torch": ("torch",),
    "onnx": ("onnx",),
    "onnxscript": ("onnxscript",),
    "onnxruntime": ("onnxruntime-gpu", "onnxruntime"),
    "tensorrt": ("tensorrt", "tensorrt-cu13-bindings", "tensorrt-cu12-bindings"),
    "tensorrt_rtx": ("tensorrt-rtx", "tensorrt-rtx-cu13-bindings", "tensorrt-rtx-cu12-bindings"),
    "pycuda": ("pycuda",),
    "cuda": ("cuda-python", "cuda-bindings"),
    "pycocotools": ("pycocotools",),
    "av": ("av",),
}
_TITLES = {
    "torch": "PyTorch",
    "onnx": "ONNX",
    "onnxscript": "ONNX Script",
    "onnxruntime": "ONNX Runtime",
    "tensorrt": "TensorRT",
    "tensorrt_rtx": "TensorRT for RTX",
    "pycuda": "PyCUDA",
    "cuda": "CUDA Python",
    "pycocotools": "pycocotools",
    "av": "PyAV",
}
_MODULES = {  # where the module to look for is not the key itself
    "tensorrt_rtx": ("tensorrt_rtx", "tensorrt_rtx_bindings"),
    "cuda": ("cuda.bindings", "cuda.cuda"),
}


@dataclass(frozen=True)
class Finding:
    """One thing that was looked for."""

    key: str
    title: str
    version: str | None  # None: not found
    detail: str = ""
    install: str = ""  # the line that brings it

    @property
    def is_there(self) -> bool:
        """Whether it was found."""
        return self.version is not None


@dataclass(frozen=True)
class Ability:
    """Something that yolact-deploy can do, here or not."""

    title: str
    missing: tuple[str, ...]  # titles of what it lacks here

    @property
    def is_there(self) -> bool:
        """Whether this machine can."""
        return not self.missing


@dataclass(frozen=True)
class MachineReport:
    """All findings, and what follows from them."""

    findings: tuple[Finding, ...]
    abilities: tuple[Ability, ...]


def examine_machine() -> MachineReport:
    """Look at this machine. Never raises for what is missing or broken: that is what it reports."""
    packages = {key: _package(key) for key in _DISTRIBUTIONS}
    providers = _onnxruntime_providers() if packages["onnxruntime"].is_there else ()
    packages["onnxruntime"] = _with_providers(packages["onnxruntime"], providers)
    gpu = _gpu()
    findings = (
        Finding("python", "Python", platform.python_version(), f"{platform.system()} {platform.machine()}"),
        *packages.values(),
        gpu,
        _tool("nvcc", "CUDA compiler", _cuda_compilers(), 'pip install "yolact-deploy[plugins]", or the CUDA toolkit'),
        _tool("c++", "C++ compiler", ("c++", "g++", "clang++"), "apt install g++"),
        _tool("cmake", "CMake", ("cmake",), "pip install cmake"),
        _headers(),
        _plugins(),
        _telemetry(),
    )
    return MachineReport(findings, _abilities({finding.key: finding for finding in findings}, providers))


def _abilities(found: dict[str, Finding], providers: tuple[str, ...]) -> tuple[Ability, ...]:
    def needs(title: str, *keys: str, also: tuple[str, ...] = ()) -> Ability:
        return Ability(title, (*(found[key].title for key in keys if not found[key].is_there), *also))

    has_cuda = "CUDAExecutionProvider" in providers
    no_provider = () if has_cuda or not found["onnxruntime"].is_there else ("ONNX Runtime's CUDA provider",)
    runtimes = [found[key] for key in ("onnxruntime", "torch", "tensorrt", "tensorrt_rtx")]
    no_runtime = () if any(runtime.is_there for runtime in runtimes) else (" or ".join(r.title for r in runtimes),)
    no_binding = () if found["pycuda"].is_there or found["cuda"].is_there else ("PyCUDA or CUDA Python",)
    return (
        needs("export a checkpoint to ONNX", "torch", "onnx", "onnxscript", "onnxruntime"),
        needs("run a checkpoint (PyTorch)", "torch"),
        needs("run an ONNX file on the CPU", "onnxruntime"),
        needs("run an ONNX file on CUDA", "onnxruntime", "gpu", also=no_provider),
        needs("read and write videos", "av", also=no_runtime),
        needs("bench with AP", "pycocotools", also=no_runtime),
        needs("compile the TensorRT plugins", "nvcc", "c++", "cmake", "headers"),
        needs("build TensorRT engines", "tensorrt", "onnx", "gpu"),
        needs("build TensorRT for RTX engines", "tensorrt_rtx", "onnx"),
        needs("run TensorRT engines", "tensorrt", "gpu", also=no_binding),
        needs("run TensorRT for RTX engines", "tensorrt_rtx", "gpu", also=no_binding),
    )


def _package(key: str) -> Finding:
    """A Python package by its metadata: importing torch to learn its version takes seconds."""
    title, install = _TITLES[key], INSTALL_LINES.get(key, f"pip install {_DISTRIBUTIONS[key][0]}")
    if not any(_is_importable(name) for name in _MODULES.get(key, (key,))):
        return Finding(key, title, None, install=install)
    versions = [version for name in _DISTRIBUTIONS[key] if (version := _version(name)) is not None]
    if not versions:
        return Finding(key, title, "unknown version", "installed without metadata", install)
    return Finding(key, title, versions[0], install=install)


def _version(distribution: str) -> str | None:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None


def _is_importable(name: str) -> bool:
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError):
        return False
    return spec is not None and spec.origin is not None  # type stubs alone make a folder without a module


def _onnxruntime_providers() -> tuple[str, ...]:
    """The execution providers that are built in; empty when ONNX Runtime does not load."""
    try:
        import onnxruntime

        return tuple(onnxruntime.get_available_providers())
    except Exception:  # a broken native library raises what it likes
        return ()


def _with_providers(finding: Finding, providers: tuple[str, ...]) -> Finding:
    if not finding.is_there:
        return finding
    if not providers:
        detail = f"version {finding.version} is installed but does not load"
        return Finding(finding.key, finding.title, None, detail, finding.install)
    names = ", ".join(name.removesuffix("ExecutionProvider") for name in providers)
    return Finding(finding.key, finding.title, finding.version, f"providers: {names}", finding.install)


def _gpu() -> Finding:
    """The NVIDIA driver and GPU: a Jetson says so in a file, others through nvidia-smi."""
    title, install = "NVIDIA GPU", "install the NVIDIA driver (https://www.nvidia.com/drivers), given such a GPU"
    if is_jetson():
        release = l4t_release()
        return Finding("gpu", title, f"L4T {release}" if release else "Jetson", board_name() or "Jetson")
    gpus = nvidia_smi("driver_version", "memory.total", "name")
    if not gpus:
        from ..trt.cuda import find_gpu  # brings numpy, and `--help` imports this module

        found = find_gpu()  # some containers have the driver without nvidia-smi
        if found is not None:
            return Finding("gpu", title, "unknown driver", f"{found.name}; nvidia-smi is missing")
        return Finding("gpu", title, None, install=install)
    return Finding("gpu", title, f"driver {gpus[0][0]}", "; ".join(f"{name}, {memory}" for _, memory, name in gpus))


def _headers() -> Finding:
    """TensorRT's headers, of the major version of the TensorRT that is installed here, if any."""
    from ..trt.plugin_toolchain import find_headers  # brings numpy, and `--help` imports this module

    title = "TensorRT headers"
    try:
        headers = find_headers()
    except YolactDeployError as error:
        return Finding("headers", title, None, install=str(error))
    return Finding("headers", title, headers.version, str(headers.folder))


def _plugins() -> Finding:
    """The library that `build-plugins` made, of the newest TensorRT that there is one for."""
    title = "TensorRT plugins"
    folder = library_path(0).parent
    names = (re.fullmatch(r"libyolact_plugins-trt(\d+)\.so", path.name) for path in folder.glob("*.so"))
    majors = sorted(int(match[1]) for match in names if match is not None)
    try:
        found = find_library(majors[-1]) if majors else None
        if found is None:
            return Finding("plugins", title, None, install=BUILD_COMMAND)
        record = read_record(found)
    except YolactDeployError as error:
        return Finding("plugins", title, None, str(error), BUILD_COMMAND)
    detail = f"for {', '.join(record.architectures)}, CUDA {record.cuda}, {found}"
    return Finding("plugins", title, f"of TensorRT {record.tensorrt}", detail)


def _telemetry() -> Finding:
    """What `bench` can say of power, temperature and clocks here."""
    from ..telemetry import offered  # brings numpy, and `--help` imports this module

    title, told = "power, temperature", offered()
    if not any({"power", "energy", "temperature"} & set(said) for _, said in told):
        advice = "pip install nvidia-ml-py, given an NVIDIA GPU; virtual machines often tell nothing"
        return Finding("telemetry", title, None, install=advice)
    detail = "; ".join(f"{facts.name}: {', '.join(said)}" for facts, said in told)
    return Finding("telemetry", title, ", ".join(facts.tool for facts, _ in told), detail)


def _cuda_compilers() -> tuple[str, ...]:
    from ..trt.plugin_toolchain import compilers_of_wheels  # brings numpy, and `--help` imports this module

    return ("nvcc", str(CUDA_HOME / "bin/nvcc"), *map(str, compilers_of_wheels()))


def _tool(key: str, title: str, commands: tuple[str, ...], install: str) -> Finding:
    """A command-line tool by the version that it prints."""
    for command in commands:
        output = output_of(command, "--version")
        if output is None:
            continue
        match = re.search(r"release (\d+[\d.]*)", output) or re.search(r"(\d+\.\d+[\w.]*)", output)
        return Finding(key, title, match[1] if match else "unknown version", shutil.which(command) or "", install)
    return Finding(key, title, None, install=install)
