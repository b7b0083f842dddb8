"""Times of the kernels by CUDA events, beside the same work in PyTorch and a plain copy on the same GPU."""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

from yolact_deploy.benchmarks.kernels.cases import Case
from yolact_deploy.benchmarks.kernels.device import Device
from yolact_deploy.benchmarks.kernels.operators import Operator

WARMUP_SECONDS = 0.1  # an idle GPU needs some to raise its clocks
TIMED_CALLS = 50
PYTORCH_CALLS = 10
FLUSH_BYTES = 128 << 20  # 128 MiB: more than any L2 cache
# Two of them, so that the host has handed over the work before they end.
FLUSHES = 2


class Clock:
    """Times of work on a device's stream, with the L2 cache flushed before each round."""

    def __init__(self, device: Device, flush_bytes: int = FLUSH_BYTES, warmup_seconds: float = WARMUP_SECONDS) -> None:
        self._device = device
        self._warmup_seconds = warmup_seconds
        self._buffers = (device.backend.allocate(flush_bytes), device.backend.allocate(flush_bytes))

    def times(self, steps: Sequence[Callable[[], object]], calls: int) -> tuple[float, ...]:
        """Median microseconds of each of `steps`, which are run in a row, `calls` times."""
        end_of_warmup = time.monotonic() + self._warmup_seconds
        events = [self._device.backend.create_event() for _ in range(len(steps) + 1)]
        self._round(steps, events)
        while time.monotonic() < end_of_warmup:
            self._round(steps, events)
        rounds = [self._round(steps, events) for _ in range(calls)]
        return tuple(statistics.median(times) for times in zip(*rounds, strict=True))

    def copy_gb_per_s(self) -> float:
        """What a copy inside the device's memory reads and writes."""
        (microseconds,) = self.times([self._copy], TIMED_CALLS)
        return 2 * self._buffers[0].nbytes / microseconds / 1e3

    def _copy(self) -> None:
        target, source = self._buffers
        self._device.backend.copy_on_device(target, source, self._device.stream)

    def _round(self, steps: Sequence[Callable[[], object]], events: Sequence[Any]) -> list[float]:
        backend, stream = self._device.backend, self._device.stream
        for _ in range(FLUSHES):
            self._copy()
        backend.record(events[0], stream)
        for step, end in zip(steps, events[1:], strict=True):
            step()
            backend.record(end, stream)
        backend.synchronize(stream)
        return [1e3 * backend.elapsed_ms(start, end) for start, end in itertools.pairwise(events)]


@dataclass(frozen=True)
class KernelTime:
    """One operator with one input. Times are medians in microseconds."""

    name: str
    microseconds: float
    kernels: dict[str, float]  # of each kernel by itself; empty: there is only one
    pytorch: float | None  # the same work in PyTorch on this GPU, waits for the host included; None: no PyTorch here
    megabytes: float  # read and written at least
    gb_per_s: float
    share_of_copy: float  # of the bandwidth of a plain copy, 0..1
    speedup: float | None  # over PyTorch


def measure(case: Case, device: Device, clock: Clock, copy_gb_per_s: float, torch: Any | None) -> KernelTime:
    """Time `case` after a check that it is right.

    torch: the module, where it has this GPU. Raises WrongResultError, YolactDeployError.
    """
    operator = case.make()
    bound = device.bind(operator.work)
    bound.run()
    operator.check(bound.fetch())
    (whole,) = clock.times([bound.run], TIMED_CALLS)
    kernels = clock.times(list(bound.kernels.values()), TIMED_CALLS) if bound.kernels else ()
    pytorch = None if torch is None else _pytorch_time(operator, device, clock, torch)
    gb_per_s = operator.bytes_moved / whole / 1e3
    return KernelTime(
        name=case.name,
        microseconds=whole,
        kernels=dict(zip(bound.kernels, kernels, strict=True)),
        pytorch=pytorch,
        megabytes=operator.bytes_moved / 1e6,
        gb_per_s=gb_per_s,
        share_of_copy=gb_per_s / copy_gb_per_s,
        speedup=None if pytorch is None else pytorch / whole,
    )


def _pytorch_time(operator: Operator, device: Device, clock: Clock, torch: Any) -> float:
    on_gpu = torch.cuda.is_available()
    # On the stream of the events, so that they see PyTorch's work.
    stream = torch.cuda.stream(torch.cuda.ExternalStream(device.stream.handle)) if on_gpu else nullcontext()
    with stream, torch.inference_mode():
        call = operator.in_pytorch(torch, "cuda" if on_gpu else "cpu")
        (microseconds,) = clock.times([call], PYTORCH_CALLS)
        if on_gpu:
            torch.cuda.synchronize()
    return microseconds
