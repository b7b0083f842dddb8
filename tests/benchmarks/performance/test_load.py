"""Several callers at once, and frames that arrive whether the model is ready or not."""

from __future__ import annotations

import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.benchmarks.clock import Clock
from tests.conftest import NANO_WEIGHTS
from yolact_deploy.benchmarks.bench import BenchOptions, run_bench
from yolact_deploy.benchmarks.performance import load, speed
from yolact_deploy.benchmarks.performance.load import (
    MAX_WAITING,
    Throughput,
    measure_arrivals,
    measure_streams,
    pytorch_threads_kept,
    threads_each,
)
from yolact_deploy.benchmarks.performance.timing import Latency, Round, Schedule
from yolact_deploy.benchmarks.selection import check_batch
from yolact_deploy.errors import YolactDeployError

# ---- arrivals


class FrameClock(Clock):
    """Waiting for a frame ends exactly when it arrives: to spin would not let this time pass."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, seconds_a_call: float = 0.0) -> None:
        super().__init__(monkeypatch, seconds_a_call)
        monkeypatch.setattr(load, "_wait_until", self.wait_until)

    def wait_until(self, moment: float) -> None:
        """Time passes, unless that is over."""
        self.now = max(self.now, moment)


def test_a_model_that_is_fast_enough_is_billed_for_its_own_time_only(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = FrameClock(monkeypatch, 0.02)
    found = measure_arrivals(clock.call, 10, 1, Schedule(iterations=20))
    assert found.latency.samples == pytest.approx([20] * 20)
    assert np.diff(found.latency.started) == pytest.approx(0.1)
    assert (found.images, found.late, found.dropped) == (20, 0, 0)
    assert found.fps == pytest.approx(20 / (19 * 0.1 + 0.02))


def test_a_single_slow_call_is_billed_for_those_that_it_keeps_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = FrameClock(monkeypatch)
    found = measure_arrivals(
        lambda index: clock.pass_by(0.36 if index == 2 else 0.05), 10, 1, Schedule(iterations=10, warmup=0)
    )
    # arrivals at 0.0, 0.1, ...; the third is done at 0.56, the fourth at 0.61, and so on
    assert found.latency.samples == pytest.approx([50, 50, 360, 310, 260, 210, 160, 110, 60, 50])
    assert found.late == 6
    assert found.dropped == 0


def test_a_model_that_is_too_slow_drops_the_oldest(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = FrameClock(monkeypatch, 0.1)
    found = measure_arrivals(clock.call, 30, 1, Schedule(duration=30.0))
    assert found.fps == pytest.approx(10, rel=0.02)
    assert found.dropped / found.images == pytest.approx(2 / 3, abs=0.02)
    assert found.late == found.images - found.dropped
    assert found.latency.max <= ((MAX_WAITING + 1) / 30 + 0.1) * 1e3 + 1e-6
    assert found.images == pytest.approx(900, abs=MAX_WAITING + 4)


def test_the_first_frame_of_a_batch_waits_for_the_last(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = FrameClock(monkeypatch, 0.02)
    found = measure_arrivals(clock.call, 40, 4, Schedule(iterations=5))
    assert found.latency.samples == pytest.approx([75 + 20] * 5)
    assert (found.images, found.late, found.dropped) == (20, 0, 0)


@given(
    st.lists(st.floats(0.001, 0.5), min_size=1, max_size=40),
    st.floats(1, 100),
    st.integers(1, 3),
)
def test_no_arrival_is_forgotten(seconds: list[float], rate: float, images: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        clock = FrameClock(patch)
        called: list[int] = []

        def call(index: int) -> None:
            called.append(index)
            clock.pass_by(seconds[index % len(seconds)])

        found = measure_arrivals(call, rate, images, Schedule(iterations=30, warmup=0))
    assert found.images == 30 * images
    assert (len(called) * images) + found.dropped == found.images
    assert called == sorted(set(called))
    own = [seconds[index % len(seconds)] * 1e3 for index in called]
    assert all(latency >= spent - 1e-6 for latency, spent in zip(found.latency.samples, own, strict=True))
    assert np.diff(found.latency.started) == pytest.approx(np.diff(called) * images / rate)


# ---- streams


def test_callers_work_at_the_same_time() -> None:
    together = threading.Barrier(3)
    seen: list[tuple[int, int]] = []

    def caller(number: int) -> None:
        together.wait(timeout=30)  # would never end if they took turns

    calls = [lambda index, number=number: (seen.append((number, index)), caller(number)) for number in range(3)]
    rounds, origin = measure_streams(calls, Schedule(iterations=4, warmup=1, rounds=2))
    assert [len(each.seconds) for each in rounds] == [6, 6]  # two of each caller in each round
    assert all(start >= origin for each in rounds for start in each.started)
    counted = [index for _, index in seen]
    assert counted.count(0) == 2 * 3 + 2  # each caller's warm-up, and the first call of each round


def test_throughput_is_images_over_time() -> None:
    rounds = [Round((0.1, 0.1, 0.1), (0.0, 0.0, 0.1), 0.2), Round((0.1,), (9.0,), 0.2)]
    measured = Throughput.of(rounds, images=2, streams=2, threads=1)
    assert measured.fps == pytest.approx(8 / 0.4)
    assert measured.rounds == pytest.approx((30.0, 10.0))
    assert measured.latency == Latency.of_rounds(rounds)
    assert Throughput.of(rounds, images=2).latency is None


@pytest.mark.parametrize("in_warmup", [True, False])
def test_a_caller_that_fails_ends_all(in_warmup: bool) -> None:
    def fail(index: int) -> None:
        raise YolactDeployError("the model broke")

    with pytest.raises(YolactDeployError, match="the model broke"):
        measure_streams([lambda index: None, fail], Schedule(iterations=2, warmup=1 if in_warmup else 0))


def test_cores_are_shared_out() -> None:
    assert threads_each(1, None, 8) is None
    assert threads_each(3, None, 8) == 2
    assert threads_each(16, None, 8) == 1
    assert threads_each(4, 3, 8) == 3


def test_pytorch_has_its_threads_back() -> None:
    import torch

    before = torch.get_num_threads()
    with pytorch_threads_kept():
        torch.set_num_threads(before + 1)
    assert torch.get_num_threads() == before


# ---- in a benchmark


def test_streams_batches_and_arrivals_of_real_models(nano_dynamic_onnx: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[int | None] = []
    real = speed.open_model

    def open_model(path: Path, options: BenchOptions, threads: int | None = None) -> object:
        opened.append(threads)
        return real(path, options, threads)

    monkeypatch.setattr(speed, "open_model", open_model)
    monkeypatch.setattr(speed, "available_cores", lambda: 2)
    options = BenchOptions(
        models=(nano_dynamic_onnx, NANO_WEIGHTS),
        limit=2,
        device="cpu",
        iterations=2,
        repeats=2,
        warmup=0,
        batch=2,
        streams=2,
        target_fps=1000.0,
    )
    for model in run_bench(options).models:
        timing = model.timing
        assert timing.images_per_call == 2
        assert timing.end_to_end.iterations == 2
        assert len(timing.end_to_end.rounds) == 2
        assert timing.fps == pytest.approx(2000 / timing.end_to_end.p50)
        assert timing.throughput is not None
        assert (timing.throughput.streams, timing.throughput.threads) == (2, 1)
        assert timing.throughput.latency is not None
        assert timing.throughput.latency.iterations == 4
        assert timing.arrivals is not None
        assert timing.arrivals.images == 4
    assert opened.count(1) == 4  # two callers of two models


def test_another_fixed_batch_is_refused(nano_onnx: Path) -> None:
    message = r"nano\.onnx takes 1 image per call, not 4: export it with --batch dynamic or --batch 4"
    with pytest.raises(YolactDeployError, match=message):
        run_bench(BenchOptions(models=(nano_onnx,), batch=4))


@pytest.mark.parametrize(
    ("profile", "fixed", "batch", "message"),
    [
        ((1, 4), None, 4, None),
        ((1, 4), None, 8, r"takes up to 4 images per call, not 8: rebuild the engine with --batch 1,8,8"),
        ((2, 4), 4, 4, None),
        ((2, 4), 4, 2, r"takes 4 images per call, not 2: rebuild the engine with --batch 1,2,4"),
        ((1, 1), 1, 2, r"takes 1 image per call, not 2: rebuild the engine with --batch 1,2,2"),
        ((1, 1), 1, None, None),
    ],
)
def test_an_engine_takes_what_its_profile_has(
    profile: tuple[int, int], fixed: int | None, batch: int | None, message: str | None
) -> None:
    input_range = SimpleNamespace(min=(profile[0], 8, 8, 3), max=(profile[1], 8, 8, 3))
    predictor: Any = SimpleNamespace(runtime=SimpleNamespace(input_range=input_range, batch_size=fixed))
    if message is None:
        check_batch(predictor, Path("net.engine"), batch)
        return
    with pytest.raises(YolactDeployError, match=r"net\.engine " + message):
        check_batch(predictor, Path("net.engine"), batch)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"batch": 0}, "batch 0: 1 or more"),
        ({"streams": 0}, "streams 0: 1 or more"),
        ({"streams": 10**9}, "up to 256"),
        ({"repeats": 10**20}, "up to 10000"),
        ({"iterations": 10**23}, "up to 10000000"),
        ({"target_fps": 1e308}, "up to 1e[+]06"),
        ({"repeats": 0}, "repeats 0: 1 or more"),
        ({"duration": 0.0}, "duration 0 s: more than 0"),
        ({"duration": float("nan")}, "duration nan s: more than 0"),
        ({"target_fps": 0.0}, "target FPS 0: more than 0"),
        ({"target_fps": float("inf")}, "target FPS inf: more than 0"),
        ({"duration": 1.0, "iterations": 5}, "exclude each other"),
    ],
)
def test_options_that_make_no_sense(changes: dict[str, float], message: str) -> None:
    with pytest.raises(YolactDeployError, match=message):
        run_bench(BenchOptions(models=(NANO_WEIGHTS,), **changes))  # type: ignore[arg-type]
