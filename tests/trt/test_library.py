"""Finding TensorRT, and what is said when it is not there."""

from __future__ import annotations

import sys
import threading
import types
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.gpu_stand_in import FakeGpu
from tests.tensorrt_stand_in import fake_tensorrt
from yolact_deploy import machine
from yolact_deploy.errors import MissingDependencyError, YolactDeployError
from yolact_deploy.trt import library as tensorrt_library
from yolact_deploy.trt.library import Errors, installed_runtimes, load_tensorrt, readable

NAMES = ("tensorrt", "tensorrt_rtx", "tensorrt_rtx_bindings")


@pytest.fixture
def nothing_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Imports of every library fail as if it were not installed."""

    def missing(name: str) -> types.ModuleType:
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    monkeypatch.setattr(tensorrt_library.importlib, "import_module", missing)


def test_auto_prefers_tensorrt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorrt", fake_tensorrt(FakeGpu()))
    library = load_tensorrt()
    assert (library.runtime, library.version, library.is_rtx) == ("tensorrt", "11.4.1.2", False)
    assert library.title == "TensorRT 11.4.1.2"
    assert library.compute_capabilities() == {}
    assert library.logger is load_tensorrt().logger


def test_the_real_library_for_rtx() -> None:
    pytest.importorskip("tensorrt_rtx_bindings", reason="TensorRT for RTX is not installed")
    library = load_tensorrt("tensorrt-rtx")
    assert library.is_rtx
    assert {"7.5", "8.6", "12.0"} <= set(library.compute_capabilities())
    assert installed_runtimes()["tensorrt-rtx"] == library.version


@pytest.mark.usefixtures("nothing_installed")
@pytest.mark.parametrize(
    ("runtime", "jetson", "parts"),
    [
        ("auto", False, ("TensorRT is not installed: pip install tensorrt", 'pip install "yolact-deploy[rtx]"')),
        ("tensorrt", False, ("TensorRT is not installed: pip install tensorrt",)),
        ("tensorrt-rtx", False, ('TensorRT for RTX is not installed: pip install "yolact-deploy[rtx]"',)),
        ("auto", True, ("comes with JetPack: sudo apt install nvidia-jetpack", "--system-site-packages")),
    ],
)
def test_nothing_installed(
    runtime: str, jetson: bool, parts: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(machine, "TEGRA_RELEASE", tmp_path / "nv_tegra_release")
    if jetson:
        machine.TEGRA_RELEASE.write_text("# R36 (release), REVISION: 4.0, GCID: 1, BOARD: generic\n")
    with pytest.raises(MissingDependencyError) as error:
        load_tensorrt(runtime)
    for part in parts:
        assert part in str(error.value)
    assert installed_runtimes() == {}


def test_type_stubs_are_no_library(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    with pytest.raises(MissingDependencyError, match="is not installed"):
        load_tensorrt()


def test_a_library_that_does_not_load(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(name: str) -> types.ModuleType:
        raise OSError("libnvinfer.so.10: cannot open shared object file")

    monkeypatch.setattr(tensorrt_library.importlib, "import_module", broken)
    with pytest.raises(MissingDependencyError, match=r"tensorrt is installed but does not load \(libnvinfer"):
        load_tensorrt()


def test_too_old(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorrt", fake_tensorrt(FakeGpu(), "8.5.2.2"))
    with pytest.raises(YolactDeployError, match=r"TensorRT 8\.5\.2\.2 is too old: use 10\.3 or newer"):
        load_tensorrt("tensorrt")


def test_an_unknown_runtime() -> None:
    with pytest.raises(YolactDeployError, match="unknown runtime 'openvino': use auto, tensorrt or tensorrt-rtx"):
        load_tensorrt("openvino")


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (
            "IBuilder::buildSerializedNetwork: Error Code 4: API Usage Error (Network must have at least one output. "
            "In validate at /_src/optimizer/api/network.cpp:3810)",
            "Error Code 4: API Usage Error (Network must have at least one output.)",
        ),
        ("Assertion failed: (ctx->tensors().count(inputName)): Node input was not registered.",
         "Node input was not registered."),
        ("x" * 400, "x" * 297 + "..."),
    ],
)  # fmt: skip
def test_messages_without_places_in_source_code(message: str, expected: str) -> None:
    assert readable(message) == expected


def test_jetpack(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(machine, "TEGRA_RELEASE", tmp_path / "nv_tegra_release")
    monkeypatch.setattr(machine, "output_of", lambda *command: None)
    assert machine.jetpack_version() is None
    machine.TEGRA_RELEASE.write_text("# R36 (release), REVISION: 4.3, GCID: 38968081, BOARD: generic\n")
    assert machine.jetpack_version() == "6.1-6.2"
    machine.TEGRA_RELEASE.write_text("# R99 (release), REVISION: 1.0\n")
    assert machine.jetpack_version() == "of L4T 99.1"
    monkeypatch.setattr(machine, "output_of", lambda *command: "6.2+b77")
    assert machine.jetpack_version() == "6.2"


def test_the_gpu_from_nvidia_smi(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "output_of", lambda *command: "8.6, NVIDIA RTX A4000\n8.9, other\n")
    assert machine.gpu_from_driver() == machine.GpuInfo("NVIDIA RTX A4000", "8.6")
    for output in (None, "", "No devices were found\n"):
        monkeypatch.setattr(machine, "output_of", lambda *command, output=output: output)
        assert machine.gpu_from_driver() is None


def test_errors_go_to_the_block_of_code_that_caused_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two engines fail at the same time, each in a thread, and a thread of TensorRT's own speaks too."""
    monkeypatch.setitem(sys.modules, "tensorrt", fake_tensorrt(FakeGpu()))
    log = load_tensorrt().logger
    error = log.native.Severity.ERROR
    both_collect, both_failed = threading.Barrier(3), threading.Barrier(3)

    def fail(reason: str) -> Errors:
        with log.collecting() as errors:
            both_collect.wait(10)
            log.native.log(error, reason)
            both_failed.wait(10)
        return errors

    with ThreadPoolExecutor() as pool:
        futures = [pool.submit(fail, f"reason of {name}") for name in "AB"]
        both_collect.wait(10)
        log.native.log(error, "from a helper thread")
        both_failed.wait(10)
        for future, name in zip(futures, "AB", strict=True):
            assert future.result().messages == [f"reason of {name}", "from a helper thread"]
            assert future.result().reason() == f"reason of {name}"


def test_a_block_without_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorrt", fake_tensorrt(FakeGpu()))
    log = load_tensorrt().logger
    log.native.log(log.native.Severity.ERROR, "of an earlier block")
    with log.collecting() as errors:
        log.native.log(log.native.Severity.WARNING, "only a warning")
    assert errors.reason() == "no reason given; -v shows its log"
