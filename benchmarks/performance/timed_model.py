"""Models timed in rounds: end to end, their stages, under load."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from yolact_deploy.benchmarks.options import Progress
from yolact_deploy.benchmarks.performance.device_times import DeviceTimer, keeps_device_times
from yolact_deploy.benchmarks.performance.load import Throughput
from yolact_deploy.benchmarks.performance.pipeline_stages import StageTimer, Timing, open_stages
from yolact_deploy.benchmarks.performance.timing import Advance, Latency, Part, Round, Schedule, measure_round
from yolact_deploy.errors import YolactDeployError
from yolact_deploy.predictor import Predictor
from yolact_deploy.types import Image

SETTLE_SECONDS = 0.1  # before a model's turn: idle threads of the one before spin for some ms, and take the cores

CountImages = Callable[[int], None]
Watching = Callable[[], AbstractContextManager[CountImages]]  # around every stretch of work of one model

_ENGINE_NOTE = "an engine runs as one piece; its times on the GPU are measured by CUDA events"


class TimedModel:
    """An open model that is timed a round at a time."""

    def __init__(
        self,
        predictor: Predictor,
        path: Path,
        images: Sequence[Image],
        device: str = "auto",
        threads: int | None = None,
        batch: int | None = None,
        progress: Progress = lambda what, done, total: None,
        watching: Watching = lambda: nullcontext(lambda images: None),
    ) -> None:
        """batch: images per call, None for what the file takes; device and threads: of the stages' sessions."""
        self.predictor = predictor
        self.images_per_call = batch or images_per_call(predictor)
        self.progress = progress
        self.watching = watching
        self._images = images
        self._whole: list[Round] = []
        self._device: DeviceTimer | None = None
        self._stages: StageTimer | None = None
        if keeps_device_times(predictor):
            self._device = DeviceTimer(predictor, images, self.images_per_call)
            self._note = _ENGINE_NOTE
            return
        try:
            staged = open_stages(predictor, path, device, threads)
        except YolactDeployError as error:
            self._note = _not_measured(error)
        else:
            self._stages = StageTimer(predictor, staged, images, self.images_per_call)
            self._note = staged.note

    def call(self, index: int, predictor: Predictor | None = None) -> None:
        """End to end. predictor: instead of the one that is timed in rounds."""
        (predictor or self.predictor).batch([self._images[index % len(self._images)]] * self.images_per_call)

    def turn(self, part: Part, warmup: int) -> None:
        """One round: end to end, then in stages. Raises YolactDeployError when the model fails; when only a stage does,
        there are no stages in the result."""
        first = sum(len(each.seconds) for each in self._whole)
        with self.watching() as count:
            done = measure_round(self.call, part, warmup, first, self._advance("end to end"))
            count((warmup + len(done.seconds)) * self.images_per_call)
        self._whole.append(done)
        if self._device is not None:
            self._device.measure(part, warmup, self._advance("on the GPU"))
        if self._stages is not None:
            try:
                self._stages.measure(part, warmup, self.progress)
            except YolactDeployError as error:
                self._stages = None
                self._note = _not_measured(error)

    def timing(self, origin: float = 0.0) -> Timing:
        """What all rounds come to. origin: see `Latency.of_rounds`."""
        return Timing(
            images_per_call=self.images_per_call,
            end_to_end=Latency.of_rounds(self._whole, origin),
            stages=self._stages.latencies(origin) if self._stages else None,
            stages_note=self._note,
            device=self._device.times(origin) if self._device else None,
            bytes_to_host=self._device.bytes_to_host if self._device else None,
            throughput=Throughput.of(self._whole, self.images_per_call),
        )

    def _advance(self, what: str) -> Advance:
        return lambda done, total: self.progress(what, done, total)


def time_in_turns(models: Sequence[TimedModel], schedule: Schedule) -> list[Timing]:
    """Rounds that go from model to model, so that a machine that slows down hits all alike. Only one model works at a
    time; the others are open and idle. `Latency.started` counts from the start of all this, for all models."""
    origin = time.perf_counter()
    for index, part in enumerate(schedule.parts()):
        for model in models:
            time.sleep(SETTLE_SECONDS)
            model.turn(part, schedule.warmup_of(index))
    return [model.timing(origin) for model in models]


def images_per_call(predictor: Predictor) -> int:
    """How many images one call is given: the batch of a file that takes only that, 1 otherwise."""
    return getattr(predictor.runtime, "batch_size", None) or 1


def _not_measured(error: YolactDeployError) -> str:
    return f"stages were not measured: {error}"
