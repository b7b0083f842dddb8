"""The doctor finds what is there, says what brings the rest, and never fails."""

from __future__ import annotations

import importlib
import platform
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.nvml_stand_in import FakeNvml, gpu
from yolact_deploy import machine
from yolact_deploy.inspection import doctor
from yolact_deploy.inspection.doctor import MachineReport, examine_machine
from yolact_deploy.machine import GpuInfo
from yolact_deploy.telemetry import sources
from yolact_deploy.trt import cuda, plugin_toolchain


def findings(report: MachineReport) -> dict[str, doctor.Finding]:
    return {finding.key: finding for finding in report.findings}


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without a GPU or tools; tests put theirs into this folder."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(doctor, "CUDA_HOME", tmp_path / "cuda")
    monkeypatch.setattr(plugin_toolchain, "_package_folders", lambda name: [tmp_path / "site" / name])
    monkeypatch.setattr(machine, "TEGRA_RELEASE", tmp_path / "nv_tegra_release")
    monkeypatch.setattr(machine, "DEVICE_MODEL", tmp_path / "model")
    monkeypatch.setattr(cuda, "find_gpu", lambda: None)
    return tmp_path


def add_tool(folder: Path, name: str, output: str, status: int = 0) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\nprintf '%s\\n' '{output}'\nexit {status}\n")
    path.chmod(0o755)


def test_this_machine() -> None:
    found = findings(examine_machine())
    assert found["python"].version == platform.python_version()
    for key in ("torch", "onnx", "onnxruntime", "av"):  # the tests' own environment has them
        assert (found[key].version or "missing")[0].isdigit()
    assert "CPU" in found["onnxruntime"].detail


def test_what_is_missing_comes_with_the_line_that_installs_it(tools: Path) -> None:
    report = examine_machine()
    missing = [finding for finding in report.findings if not finding.is_there]
    assert {"gpu", "nvcc", "c++", "cmake"} <= {finding.key for finding in missing}
    assert all(finding.install for finding in missing)
    abilities = {ability.title: ability for ability in report.abilities}
    assert abilities["export a checkpoint to ONNX"].is_there
    assert abilities["compile the TensorRT plugins"].missing == (
        "CUDA compiler",
        "C++ compiler",
        "CMake",
        "TensorRT headers",
    )


def test_a_gpu_with_its_driver(tools: Path) -> None:
    add_tool(tools, "nvidia-smi", "580.65.06, 143771 MiB, NVIDIA H200\n580.65.06, 143771 MiB, NVIDIA H200")
    gpu = findings(examine_machine())["gpu"]
    assert gpu.version == "driver 580.65.06"
    assert gpu.detail == "NVIDIA H200, 143771 MiB; NVIDIA H200, 143771 MiB"


@pytest.mark.parametrize(("output", "status"), [("NVIDIA-SMI has failed", 9), ("No devices were found", 0), ("", 0)])
def test_a_driver_without_a_gpu(tools: Path, output: str, status: int) -> None:
    add_tool(tools, "nvidia-smi", output, status)
    assert not findings(examine_machine())["gpu"].is_there


def test_a_container_without_nvidia_smi(tools: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cuda, "find_gpu", lambda: GpuInfo("NVIDIA H200", "9.0"))
    found = findings(examine_machine())["gpu"]
    assert found.is_there
    assert found.detail.startswith("NVIDIA H200")


def test_a_jetson(tools: Path) -> None:
    (tools / "nv_tegra_release").write_text("# R36 (release), REVISION: 4.3, GCID: 38968081, BOARD: generic\n")
    (tools / "model").write_text("NVIDIA Jetson Orin Nano Developer Kit\0")
    gpu = findings(examine_machine())["gpu"]
    assert (gpu.version, gpu.detail) == ("L4T 36.4.3", "NVIDIA Jetson Orin Nano Developer Kit")


@pytest.mark.parametrize(
    ("name", "key", "output", "version"),
    [
        ("nvcc", "nvcc", "Cuda compilation tools, release 13.0, V13.0.48", "13.0"),
        ("clang++", "c++", "Ubuntu clang version 18.1.3 (1ubuntu1)", "18.1.3"),
        ("cmake", "cmake", "cmake version 3.25.1", "3.25.1"),
        ("cmake", "cmake", "something else", "unknown version"),
    ],
)
def test_tools_by_the_version_that_they_print(tools: Path, name: str, key: str, output: str, version: str) -> None:
    add_tool(tools, name, output)
    finding = findings(examine_machine())[key]
    assert finding.version == version
    assert finding.detail == str(tools / name)


def test_nvcc_outside_the_path(tools: Path) -> None:
    (tools / "cuda/bin").mkdir(parents=True)
    add_tool(tools / "cuda/bin", "nvcc", "Cuda compilation tools, release 12.6, V12.6.20")
    assert findings(examine_machine())["nvcc"].version == "12.6"


def test_nvcc_from_a_wheel(tools: Path) -> None:
    """`build-plugins` finds it there too."""
    folder = tools / "site/nvidia/cu13/bin"
    folder.mkdir(parents=True)
    add_tool(folder, "nvcc", "Cuda compilation tools, release 13.0, V13.0.88")
    assert findings(examine_machine())["nvcc"].detail == str(folder / "nvcc")


def test_an_onnxruntime_that_does_not_load(tools: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "_onnxruntime_providers", tuple)
    report = examine_machine()
    finding = findings(report)["onnxruntime"]
    assert not finding.is_there
    assert "does not load" in finding.detail
    abilities = {ability.title: ability for ability in report.abilities}
    assert abilities["run an ONNX file on the CPU"].missing == ("ONNX Runtime",)


def test_cuda_needs_a_gpu_and_the_provider(tools: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add_tool(tools, "nvidia-smi", "580.65.06, 143771 MiB, NVIDIA H200")
    monkeypatch.setattr(doctor, "_onnxruntime_providers", lambda: ("CPUExecutionProvider",))
    title = "run an ONNX file on CUDA"
    assert {a.title: a.missing for a in examine_machine().abilities}[title] == ("ONNX Runtime's CUDA provider",)
    monkeypatch.setattr(doctor, "_onnxruntime_providers", lambda: ("CUDAExecutionProvider", "CPUExecutionProvider"))
    assert {a.title: a.missing for a in examine_machine().abilities}[title] == ()


def test_what_tells_power(tools: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nvml = FakeNvml(gpu(millijoules=None))
    monkeypatch.setitem(sys.modules, "pynvml", nvml)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    finding = findings(examine_machine())["telemetry"]
    assert (finding.version or "").startswith("NVML")
    assert finding.detail.startswith("NVIDIA H200: power, temperature, clock, load, throttling")
    assert nvml.opened == 0
    monkeypatch.setitem(sys.modules, "pynvml", None)
    monkeypatch.setattr(sources, "open_cpu", lambda: None)
    assert not findings(examine_machine())["telemetry"].is_there


def test_a_folder_of_type_stubs_is_no_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "pycuda").mkdir()
    (tmp_path / "pycuda/__init__.pyi").touch()
    monkeypatch.setattr("sys.path", [str(tmp_path)])
    assert not doctor._is_importable("pycuda")
    (tmp_path / "pycuda/__init__.py").touch()
    importlib.invalidate_caches()
    assert doctor._is_importable("pycuda")
    assert not doctor._is_importable("pycuda.missing")
    assert not doctor._is_importable("missing.module")


def test_headers_of_another_major_do_not_compile_the_plugins(tools: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tools / "site/kernel_lens/include/tensorrt"
    folder.mkdir(parents=True)
    (folder / "NvInferRuntime.h").touch()
    version = "#define NV_TENSORRT_MAJOR 10\n#define NV_TENSORRT_MINOR 14\n#define NV_TENSORRT_PATCH 1\n"
    (folder / "NvInferVersion.h").write_text(version)
    monkeypatch.setattr(plugin_toolchain, "SYSTEM_INCLUDES", ())
    assert findings(examine_machine())["headers"].version == "10.14.1"
    monkeypatch.setattr(plugin_toolchain, "load_tensorrt", lambda runtime: SimpleNamespace(version="11.4.0"))
    finding = findings(examine_machine())["headers"]
    assert not finding.is_there
    assert "11.4.0" in finding.install


def test_bench_needs_one_runtime_and_not_pytorch(tools: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    present = {"onnxruntime", "pycocotools"}
    monkeypatch.setattr(doctor, "_is_importable", lambda name: name in present)
    assert {a.title: a.missing for a in examine_machine().abilities}["bench with AP"] == ()
    present.remove("onnxruntime")
    (missing,) = {a.title: a.missing for a in examine_machine().abilities}["bench with AP"]
    assert "PyTorch" in missing
    assert "ONNX Runtime" in missing
