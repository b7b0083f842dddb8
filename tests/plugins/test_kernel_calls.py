"""What the kernel benchmark calls, on the CPU with the host build behind the plugin library's C interface."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.plugins.shell import Toolchain, compile_c_interface
from yolact_deploy.benchmarks import kernels
from yolact_deploy.benchmarks.kernel_calls import FastNmsCall, KernelLibrary, MaskCall
from yolact_deploy.config import PostprocessConfig
from yolact_deploy.errors import ModelFileError, YolactDeployError


@pytest.fixture(scope="module")
def library(toolchain: Toolchain, tmp_path_factory: pytest.TempPathFactory) -> KernelLibrary:
    return KernelLibrary.load(compile_c_interface(toolchain, tmp_path_factory.mktemp("c_interface")))


@pytest.mark.parametrize("half", [False, True])
@pytest.mark.parametrize("cross_class", [False, True])
def test_fast_nms(library: KernelLibrary, cross_class: bool, half: bool) -> None:
    config = PostprocessConfig(cross_class=cross_class)
    call = FastNmsCall(library, config, 2000, 11, 8, candidates=300, half=half, device="cpu")
    call.check()
    assert call.bytes_moved > 2000 * 12 * (2 if half else 4)


@pytest.mark.parametrize("half", [False, True])
def test_masks(library: KernelLibrary, half: bool) -> None:
    MaskCall(library, 40, 30, 35, 8, half=half, device="cpu").check()


def test_errors_of_the_library(library: KernelLibrary) -> None:
    call = MaskCall(library, 3, 4, 5, 65, half=False, device="cpu")
    with pytest.raises(YolactDeployError, match="CUDA error 1: run `yolact-deploy build-plugins`"):
        call.run()


def test_no_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "text.so").write_text("no library")
    with pytest.raises(ModelFileError, match="is no plugin library of this version"):
        KernelLibrary.load(tmp_path / "text.so")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(YolactDeployError, match="run `yolact-deploy build-plugins`"):
        kernels._newest_library()


def test_a_measurement_in_numbers() -> None:
    result = kernels.Measurement("masks", 10.0, 150.0, 4_000_000, 800.0)
    assert result.row == ("masks", "10.0", "150", "15.0", "4.00", "400", "50 %")
