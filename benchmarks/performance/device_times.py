"""Where the time of an engine goes, by CUDA events: copies, the GPU's work, and handing it over."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from yolact_deploy.benchmarks.performance.timing import Advance, Latency, Part, Round, measure_round
from yolact_deploy.predictor import Predictor
from yolact_deploy.types import Image

DEVICE_REGIONS = {  # what is inside each measured region, in words
    "host_to_device": "copy of the input to the GPU, by events",
    "gpu": "work of the engine, by events",
    "device_to_host": "copies to the host, by events: the counts, a wait for them, and the rows that were found",
    "enqueue": "time of the host to hand the work to the GPU; longer than GPU means that the host is the limit",
}


@dataclass(frozen=True)
class DeviceTimes:
    """Times per call, ms; the fields are those of `runtimes.tensorrt.StageTimes`."""

    host_to_device: Latency
    gpu: Latency
    device_to_host: Latency
    enqueue: Latency


class DeviceTimer:
    """Times the calls of an engine's runtime, round by round."""

    def __init__(self, predictor: Predictor, images: Sequence[Image], count: int) -> None:
        """count: images per call."""
        self._runtime: Any = predictor.runtime
        self._images = images
        self._count = count
        self._rounds: dict[str, list[Round]] = {name: [] for name in DEVICE_REGIONS}
        self._bytes: list[int] = []  # that each call copied to the host

    def measure(self, part: Part, warmup: int, advance: Advance = lambda done, total: None) -> None:
        """One more round."""
        measured: list[Any] = []

        def call(index: int) -> None:
            self._runtime.detect([self._images[index % len(self._images)]] * self._count)
            measured.append(self._runtime.stage_times())

        done = measure_round(call, part, warmup, advance=advance)
        for name, rounds in self._rounds.items():
            seconds = tuple(getattr(times, name) / 1e3 for times in measured[warmup:])
            rounds.append(Round(seconds, done.started, done.wall))
        self._bytes += [times.bytes_to_host for times in measured[warmup:]]

    def times(self, origin: float = 0.0) -> DeviceTimes:
        """What all rounds come to. origin: see `Latency.of_rounds`."""
        return DeviceTimes(**{name: Latency.of_rounds(rounds, origin) for name, rounds in self._rounds.items()})

    @property
    def bytes_to_host(self) -> float:
        """The mean per image of what is copied to the host."""
        return sum(self._bytes) / (len(self._bytes) * self._count)


def keeps_device_times(predictor: Predictor) -> bool:
    """Whether the runtime times its calls by events."""
    return hasattr(predictor.runtime, "stage_times")
