"""Where the time of an engine goes, by CUDA events: copies, the GPU's work, and handing it over."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ..predictor import Predictor
from ..types import Image
from .timing import Latency, Schedule, measure_latency

DEVICE_REGIONS = {  # what is inside each measured region, in words
    "host_to_device": "copy of the input to the GPU, by events",
    "gpu": "the engine's own work, by events",
    "device_to_host": "copy of the outputs to the host, by events",
    "enqueue": "the host's time to hand the work to the GPU; longer than gpu means that the host is the limit",
}


@dataclass(frozen=True)
class DeviceTimes:
    """Times of a call, ms; the fields are those of `runtimes.tensorrt.StageTimes`."""

    host_to_device: Latency
    gpu: Latency
    device_to_host: Latency
    enqueue: Latency


def time_device(
    predictor: Predictor, images: Sequence[Image], count: int, schedule: Schedule, advance: Callable[[int, int], None]
) -> DeviceTimes | None:
    """Measure `predictor` on `images`, `count` a call. None for a runtime that keeps no such times."""
    runtime: Any = predictor.runtime
    if not hasattr(runtime, "stage_times"):
        return None
    measured: list[Any] = []

    def call(index: int) -> None:
        runtime.detect([images[index % len(images)]] * count)
        measured.append(runtime.stage_times())

    measure_latency(call, schedule, advance)
    timed = measured[schedule.warmup :]
    return DeviceTimes(**{name: Latency.of([getattr(times, name) / 1e3 for times in timed]) for name in DEVICE_REGIONS})
