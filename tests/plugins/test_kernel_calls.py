"""The kernel benchmark on the CPU: what it calls, with the host build behind the plugin library's C interface, and what
it makes of times, with stand-ins for CUDA's events."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from tests.plugins.shell import Toolchain, compile_c_interface
from yolact_deploy.benchmarks.scripts import kernels
from yolact_deploy.benchmarks.scripts.kernel_calls import FastNmsCall, ImageMaskCall, MaskCall
from yolact_deploy.benchmarks.scripts.kernel_library import KernelLibrary
from yolact_deploy.benchmarks.scripts.kernels import CudaClock, kernel_calls, measure, write_results
from yolact_deploy.config.model import PostprocessConfig
from yolact_deploy.errors import ModelFileError, OutputError, YolactDeployError
from yolact_deploy.trt.plugin_library import library_path


@pytest.fixture(scope="module")
def library(toolchain: Toolchain, tmp_path_factory: pytest.TempPathFactory) -> KernelLibrary:
    return KernelLibrary.load(compile_c_interface(toolchain, tmp_path_factory.mktemp("c_interface")))


@pytest.mark.parametrize("half", [False, True])
@pytest.mark.parametrize("cross_class", [False, True])
def test_fast_nms(library: KernelLibrary, cross_class: bool, half: bool) -> None:
    config = PostprocessConfig(cross_class=cross_class)
    call = FastNmsCall(library, config, 2000, 11, 8, candidates=300, half=half, device="cpu")
    call.check()
    number, rows = 2 if half else 4, 200 if cross_class else 100
    read = number * (2000 * 12 + 300 * 4 + rows * 8) + 4 * 300 * 4
    assert call.bytes_moved == read + rows * (4 * 4 + 4 + 4 + number * 8) + 4


def test_the_kernels_one_by_one_are_the_whole(library: KernelLibrary) -> None:
    call = FastNmsCall(library, PostprocessConfig(), 2000, 11, 8, candidates=300, half=False, device="cpu")
    call.run()
    expected = [output.clone() for output in call.outputs]
    assert int(expected[-1]) > 0
    for _ in range(2):  # nothing is left behind that a second round would stumble over
        for output in call.outputs:
            output.zero_()
        assert list(call.kernels) == ["filter", "suppress", "finish"]
        for run_kernel in call.kernels.values():
            run_kernel()
        for output, wanted in zip(call.outputs, expected, strict=True):
            assert torch.equal(output, wanted)


@pytest.mark.parametrize("half", [False, True])
def test_masks(library: KernelLibrary, half: bool) -> None:
    call = MaskCall(library, 40, 30, 35, 8, half=half, device="cpu")
    call.check()
    assert call.bytes_moved == (2 if half else 4) * (30 * 35 * 8 + 40 * 8 + 40 * 30 * 35) + 40 * 16


@pytest.mark.parametrize("half", [False, True])
@pytest.mark.parametrize("width", [70, 64])
def test_masks_at_image_size(library: KernelLibrary, width: int, half: bool) -> None:
    call = ImageMaskCall(library, 20, 30, 35, 8, 45, width, half=half, device="cpu")
    call.check()
    assert call.bytes_moved == (2 if half else 4) * (30 * 35 * 8 + 20 * 8) + 20 * 16 + 20 * 45 * 4 * -(-width // 32)


def test_wrong_results_are_noticed(library: KernelLibrary) -> None:
    """Each check compares with the reference, not with itself."""
    image_masks = ImageMaskCall(library, 20, 30, 35, 8, 45, 70, half=False, device="cpu")
    masks = MaskCall(library, 40, 30, 35, 8, half=False, device="cpu")
    fast_nms = FastNmsCall(library, PostprocessConfig(), 2000, 11, 8, candidates=300, half=False, device="cpu")
    for call, outputs in ((image_masks, [image_masks.masks]), (masks, [masks.masks]), (fast_nms, fast_nms.outputs)):
        for output in outputs:
            output.zero_()
        call.run = lambda: None  # type: ignore[method-assign]
        with pytest.raises(AssertionError):
            call.check()


def test_everything_that_is_measured_is_right(library: KernelLibrary) -> None:
    """At full size: 19,248 and 57,744 priors, masks at prototype and image size."""
    calls = kernel_calls(library, "cpu")
    names = [call.name for call in calls]
    assert len(set(names)) == len(names) == 9
    for wanted in (
        "Fast NMS, 19248 priors, 300 candidates, 80 classes, fp16",
        "Fast NMS, 57744 priors, 57744 candidates, 80 classes, fp32",
        "mask assembly, 100 masks, 138x138, fp16",
        "image-size masks, 100 masks, 640x480, prototypes 138x138, fp16",
    ):
        assert wanted in names
    for call in calls:
        call.check()


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
    library_path(11).parent.mkdir(parents=True)
    library_path(11).write_bytes(b"who knows")
    with pytest.raises(ModelFileError, match="has no record of its build"):
        kernels._newest_library()


class FakeCuda:
    """CUDA's events on a clock that only work moves; `torch` as far as CudaClock knows it."""

    def __init__(self) -> None:
        self.now = 0.0  # ms
        self.flushes = 0
        self.cuda = SimpleNamespace(Event=lambda enable_timing: FakeEvent(self))
        self.uint8 = torch.uint8

    def empty(self, size: int, dtype: torch.dtype, device: str) -> FakeCuda:
        assert (size >= 1 << 28, device) == (True, "cuda")
        return self

    def zero_(self) -> None:
        self.flushes += 1
        self.now += 7

    def work(self, milliseconds: Sequence[float]) -> Callable[[], None]:
        """A step that takes these times in turn."""
        pending = list(milliseconds)

        def step() -> None:
            self.now += pending.pop(0) if len(pending) > 1 else pending[0]

        return step


class FakeEvent:
    def __init__(self, fake: FakeCuda) -> None:
        self.fake = fake
        self.at: float | None = None
        self.is_waited_for = False

    def record(self) -> None:
        self.at = self.fake.now

    def synchronize(self) -> None:
        self.is_waited_for = True

    def elapsed_time(self, end: FakeEvent) -> float:
        assert self.at is not None
        assert end.at is not None
        return end.at - self.at


def test_times_are_medians_without_warmup_and_flushes() -> None:
    fake = FakeCuda()
    clock = CudaClock(fake)
    slow_start = [50.0] * kernels.WARMUP_CALLS
    steps = [fake.work([*slow_start, 1, 9, 2]), fake.work([*slow_start, 4, 4, 5])]
    assert clock.times(steps, 3) == (pytest.approx(2000), pytest.approx(4000))
    assert fake.flushes == kernels.WARMUP_CALLS + 3


class FakeClock:
    """10 µs a step, 1,000 for what is measured last: the reference."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, int]] = []

    def times(self, steps: Sequence[Callable[[], object]], calls: int) -> tuple[float, ...]:
        self.asked.append((len(steps), calls))
        for step in steps:
            step()
        return (1000.0,) if calls == kernels.REFERENCE_CALLS else tuple(10.0 * (i + 1) for i in range(len(steps)))


def test_a_call_is_measured_as_a_whole_and_by_kernel(library: KernelLibrary, tmp_path: Path) -> None:
    clock = FakeClock()
    nms = FastNmsCall(library, PostprocessConfig(), 500, 4, 3, candidates=50, half=False, device="cpu")
    masks = ImageMaskCall(library, 5, 20, 20, 4, 33, 65, half=True, device="cpu")
    results = [measure(call, clock, 800.0) for call in (nms, masks)]
    assert clock.asked == [(1, 100), (3, 100), (1, 20), (1, 100), (1, 20)]
    assert results[0].kernel_microseconds == {"filter": 10.0, "suppress": 20.0, "finish": 30.0}
    assert results[1].kernel_microseconds == {}
    assert [result.reference_microseconds for result in results] == [1000.0, 1000.0]
    numbers, table = write_results(results, "NVIDIA H100 80GB HBM3", "2.13", 800.0, tmp_path / "results")
    assert re.fullmatch(r"\d{4}-\d\d-\d\d-nvidia-h100-80gb-hbm3-kernels\.json", numbers.name)
    written = json.loads(numbers.read_text())
    assert written["device"] == "NVIDIA H100 80GB HBM3"
    assert {"date", "commit", "torch", "copy_gb_per_s"} <= set(written)
    assert written["results"][0]["kernel_microseconds"]["suppress"] == 20.0
    assert "| filter 10.0, suppress 20.0, finish 30.0 | 1000 | 100.0 |" in table.read_text()
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="choose another folder"):
        write_results(results, "GPU", "2.13", 800.0, tmp_path / "file")


def test_a_measurement_in_numbers() -> None:
    result = kernels.Measurement("masks", 10.0, {}, 150.0, 4_000_000, 800.0)
    assert result.row == ("masks", "10.0", "-", "150", "15.0", "4.00", "400", "50 %")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_without_a_gpu_it_says_so(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as exited:
        kernels.main(["--output", str(tmp_path)])
    assert exited.value.code == 2
    assert "measuring kernels needs an NVIDIA GPU" in capsys.readouterr().err
