"""The checks and times of the kernels without a GPU: the host build behind the plugin library's C interface, on memory
of a stand-in GPU."""

from __future__ import annotations

import ctypes
import json
import subprocess
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.benchmarks.selftest.conftest import in_process, with_everything
from tests.gpu_stand_in import FakeGpu
from tests.machine_stand_in import BINDINGS, machine_with_gpu
from tests.once import made_once
from tests.plugins.host_build import COMPILER
from tests.plugins.shell import Toolchain, compile_c_interface
from yolact_deploy.benchmarks.kernels import run, timing
from yolact_deploy.benchmarks.kernels.cases import GROUPS, check_cases, fast_nms, masks, sanitizer_cases, timed_cases
from yolact_deploy.benchmarks.kernels.device import Device
from yolact_deploy.benchmarks.kernels.operators import FastNms, Operator, WrongResultError
from yolact_deploy.benchmarks.kernels.timing import Clock, measure
from yolact_deploy.benchmarks.selftest import plugins
from yolact_deploy.benchmarks.selftest.check import run_check
from yolact_deploy.benchmarks.selftest.context import CheckContext
from yolact_deploy.errors import ModelFileError, YolactDeployError
from yolact_deploy.inspection.doctor import examine_machine
from yolact_deploy.trt.kernel_library import FUNCTIONS, KernelLibrary

FLUSH = 1 << 12


@pytest.fixture(scope="module")
def library(toolchain: Toolchain, run_folder: Path) -> Path:
    folder = made_once(run_folder / "c_interface", lambda place: compile_c_interface(toolchain, place))
    return folder / "libyolact_plugins_c.so"


@pytest.fixture
def binding(request: pytest.FixtureRequest) -> str:
    return getattr(request, "param", "cuda-python")


@pytest.fixture(autouse=True)
def gpu(binding: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[FakeGpu]:
    with machine_with_gpu(monkeypatch, tmp_path / "cache", binding) as gpu:
        yield gpu


@pytest.mark.parametrize("group", GROUPS)
def test_every_case_is_right(library: Path, group: str) -> None:
    cases = check_cases(group)
    found = run.check(library, cases)
    assert found["cases"] == len(cases)
    assert found["largest_difference"] <= 2e-3


@pytest.mark.parametrize("binding", BINDINGS, indirect=True)
@pytest.mark.parametrize("poisoned", [True, False])
def test_what_the_sanitizer_runs(library: Path, poisoned: bool) -> None:
    run.check(library, sanitizer_cases(), poisoned)


def check_changed(operator: Operator, library: Path, name: str, index: int, value: float) -> None:
    """The check of right outputs of which one number is set to `value`."""
    with Device.opened(library) as device:
        bound = device.bind(operator.work)
        bound.run()
        outputs = bound.fetch()
    operator.check(outputs)
    outputs[name].flat[index] = value
    operator.check(outputs)


@pytest.mark.parametrize("name", ["boxes", "scores", "classes", "coefs", "num_detections"])
def test_each_wrong_output_of_fast_nms_is_noticed(library: Path, name: str) -> None:
    with pytest.raises(WrongResultError, match=r"differ|detections, expected"):
        check_changed(fast_nms(np.float32, 300, 5, 4, 90), library, name, 0, 7)


def test_rows_past_the_last_detection_are_zero(library: Path) -> None:
    with pytest.raises(WrongResultError, match="past the last"):
        check_changed(fast_nms(np.float32, 300, 5, 4, 9), library, "classes", -1, 1)


@pytest.mark.parametrize("group", GROUPS[2:])
def test_a_wrong_mask_is_noticed(library: Path, group: str) -> None:
    (case,) = (case for case in check_cases(group) if case.name == "empty boxes")
    for value in (1, np.nan if "image" not in group else -1):
        with pytest.raises(WrongResultError, match=r"differ|set"):
            check_changed(case.make(), library, "masks", 3, value)


def test_the_kernels_one_by_one_are_the_whole(library: Path) -> None:
    operator = fast_nms(np.float32, 2000, 11, 8, 300)
    with Device.opened(library) as device:
        bound = device.bind(operator.work)
        assert list(bound.kernels) == ["filter", "suppress", "finish"]
        for run_kernel in bound.kernels.values():
            run_kernel()
        operator.check(bound.fetch())


WRONG_LIBRARY = """
#include <string.h>
size_t yolact_fast_nms_workspace_bytes(void* sizes, void* settings) { return 16; }
int yolact_launch_fast_nms(int half, void* sizes, void* settings, void** tensors, void* work, void* stream) {
    memset(tensors[8], 0, 4);
    return STATUS;
}
int yolact_launch_fast_nms_kernel(void) { return 0; }
int yolact_launch_mask_assembly(int half, int* sizes, float** tensors, void* stream) {
    memset(tensors[3], 0, 4 * (sizes[1] * sizes[2] * sizes[4] + BEHIND));
    return 0;
}
int yolact_launch_image_masks(void) { return 0; }
"""


def wrong_library(folder: Path, status: int = 0, behind: int = 0) -> Path:
    (folder / "wrong.c").write_text(WRONG_LIBRARY)
    library = folder / f"wrong{status}{behind}.so"
    words = ["-x", "c", "-shared", "-fPIC", f"-DSTATUS={status}", f"-DBEHIND={behind}", "-o", library]
    subprocess.run([COMPILER, *words, folder / "wrong.c"], check=True)
    return library


def test_a_library_that_computes_nothing_fails(tmp_path: Path) -> None:
    library = wrong_library(tmp_path)
    reasons = {"Fast NMS, fp32": "one prior, one class: image 0: 0 detections", "masks, fp32": "small: image 0: masks"}
    for group, reason in reasons.items():
        with pytest.raises(YolactDeployError, match=reason):
            run.check(library, check_cases(group))
    with pytest.raises(YolactDeployError, match="Fast NMS, 19248"):
        run.time_all(library, timed_cases()[:1], FLUSH)


def test_a_wrong_kernel_is_a_failed_check(tmp_path: Path) -> None:
    """In the self-test, on a machine that has everything."""
    context = CheckContext(tmp_path, with_everything(examine_machine()), in_process, lambda: 1000.0)
    wrong_library(tmp_path).rename(context.built_library)
    failed = [run_check(group, partial(plugins.kernels, context, group)) for group in GROUPS]
    assert [check.status for check in failed] == ["failed"] * len(GROUPS)
    assert "small: image 0: masks differ" in failed[2].detail


def test_writing_behind_the_end_is_noticed(tmp_path: Path) -> None:
    with pytest.raises(YolactDeployError, match="wrote behind the end of masks"):
        run.check(wrong_library(tmp_path, behind=2), check_cases("masks, fp32"))


def test_errors_of_the_library(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As the subprocess tells them."""
    library = str(wrong_library(tmp_path, status=700))
    assert run.main([library, "check", "Fast NMS, fp16"]) == 2
    assert "CUDA error 700" in capsys.readouterr().err
    (tmp_path / "text.so").write_text("no library")
    with pytest.raises(ModelFileError, match="is no plugin library of this version"):
        KernelLibrary.load(tmp_path / "text.so")


def test_the_subprocess_prints_json(library: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run.main([str(library), "check", "masks, fp16"]) == 0
    assert json.loads(capsys.readouterr().out)["cases"] == len(check_cases("masks, fp16"))


def test_the_library_has_what_is_called(library: Path) -> None:
    native = ctypes.CDLL(str(library))
    assert all(hasattr(native, f"yolact_launch_{name}") for name in FUNCTIONS)


def test_bytes_moved() -> None:
    operator = fast_nms(np.float16, 2000, 11, 8, 300)
    assert isinstance(operator, FastNms)
    read = 2 * (2000 * 12 + 300 * 4 + 100 * 8) + 4 * 300 * 4
    assert operator.bytes_moved == read + 100 * (4 * 4 + 4 + 4 + 2 * 8) + 4
    assert masks(np.float32, 40, 30, 35, 8).bytes_moved == 4 * (30 * 35 * 8 + 40 * 8 + 40 * 30 * 35) + 40 * 16


def test_times(library: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The stand-in's clock goes on by 1 ms at each event, so that each step takes 1 ms."""
    monkeypatch.setattr(timing, "WARMUP_SECONDS", 0.0)
    (case,) = (case for case in check_cases("Fast NMS, fp32") if case.name == "odd sizes")
    with Device.opened(library) as device:
        found = measure(case, device, Clock(device, FLUSH, 0.0), 2.0, torch)
    assert (found.microseconds, found.pytorch, found.speedup) == (1000, 1000, 1)
    assert found.kernels == {"filter": 1000, "suppress": 1000, "finish": 1000}
    assert found.gb_per_s == pytest.approx(found.megabytes)
    assert found.share_of_copy == pytest.approx(found.megabytes / 2)


def test_times_of_all(library: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timing, "TIMED_CALLS", 2)
    found = run.time_all(library, [case for case in check_cases("masks, fp16") if case.name == "small"], FLUSH)
    assert (found["gpu"], found["pytorch"], len(found["times"])) == ("Orin", None, 1)
    assert found["times"][0]["pytorch"] is None
    assert found["copy_gb_per_s"] == pytest.approx(2 * FLUSH / 1e6)
