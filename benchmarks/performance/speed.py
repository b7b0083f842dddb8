"""How fast models are: latency in turns, load, and memory, on the images of a data set."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path

from yolact_deploy.benchmarks.accuracy.dataset import DataImage
from yolact_deploy.benchmarks.hardware import available_cores
from yolact_deploy.benchmarks.options import BenchOptions, Progress
from yolact_deploy.benchmarks.performance.load import (
    Throughput,
    measure_arrivals,
    measure_streams,
    pytorch_threads_kept,
    threads_each,
)
from yolact_deploy.benchmarks.performance.memory import MemoryUse, measure_peak_memory
from yolact_deploy.benchmarks.performance.pipeline_stages import Timing
from yolact_deploy.benchmarks.performance.timed_model import TimedModel, Watching, time_in_turns
from yolact_deploy.benchmarks.selection import config_of, family_of, open_model, plugins_of
from yolact_deploy.errors import YolactDeployError
from yolact_deploy.predictor import Predictor
from yolact_deploy.telemetry import Monitor, Telemetry, machine_notes, open_sources
from yolact_deploy.telemetry.cpu import OtherProcesses, busy_warning
from yolact_deploy.types import Image

TIMING_IMAGES = 64  # at most, spread over the data set
TIMING_BYTES = 256 << 20  # 256 MiB: what the decoded images may take together
MEMORY_IMAGES = 3


class SpeedBench:
    """Times models one after the other, in turns."""

    def __init__(
        self, options: BenchOptions, images: Sequence[DataImage], progress: Progress, names: dict[Path, str]
    ) -> None:
        """names: what to call each model in `progress`."""
        self._options = options
        self._images = images
        self._progress = progress
        self._names = names
        self.telemetry: dict[Path, Telemetry | None] = {}
        self.machine_notes: tuple[str, ...] = ()  # what this machine does not tell of power and temperature
        self.busy_cores: float | None = None  # see BenchReport

    def time(self, paths: Sequence[Path]) -> dict[Path, Timing]:
        """Latency of all models in turns, then what was asked for under load, model by model."""
        images = timing_images(self._images)
        schedule = self._options.schedule
        with ExitStack() as stack:
            sources = open_sources()
            self.machine_notes = tuple(machine_notes(sources))
            monitor = stack.enter_context(Monitor(sources))
            others = OtherProcesses()
            records = {path: monitor.record() for path in paths}
            models = {
                path: self._timed_model(path, images, stack, partial(monitor.watching, record))
                for path, record in records.items()
            }
            timings = dict(zip(paths, time_in_turns(list(models.values()), schedule), strict=True))
            for path, model in models.items():
                self.telemetry[path] = monitor.telemetry(records[path], model.predictor.runtime.device == "cuda")
            for path, model in models.items():
                if self._options.streams > 1:
                    timings[path] = replace(timings[path], throughput=self._throughput(path, model))
                if self._options.target_fps is not None:
                    arrivals = measure_arrivals(
                        model.call,
                        self._options.target_fps,
                        model.images_per_call,
                        schedule,
                        self._advance(path, "arriving frames"),
                    )
                    timings[path] = replace(timings[path], arrivals=arrivals)
            self.busy_cores = others.cores()
            busy = busy_warning(self.busy_cores)
            self.machine_notes += (busy,) if busy else ()
        return timings

    def _timed_model(self, path: Path, images: Sequence[Image], stack: ExitStack, watching: Watching) -> TimedModel:
        options = self._options
        return TimedModel(
            stack.enter_context(open_model(path, options)),
            path,
            images,
            options.device,
            options.threads,
            options.batch,
            lambda what, *done: self._progress(f"{self._names[path]}: {what}", *done),
            watching,
        )

    def _throughput(self, path: Path, model: TimedModel) -> Throughput:
        """Several callers, each with the model opened for itself."""
        options = self._options
        threads = threads_each(options.streams, options.threads, available_cores())
        with ExitStack() as stack, pytorch_threads_kept():
            predictors = [stack.enter_context(open_model(path, options, threads)) for _ in range(options.streams)]

            def calls_of(predictor: Predictor) -> Callable[[int], None]:
                return lambda index: model.call(index, predictor)

            rounds, origin = measure_streams(
                [calls_of(predictor) for predictor in predictors],
                options.schedule,
                self._advance(path, f"{options.streams} streams"),
            )
        return Throughput.of(rounds, model.images_per_call, options.streams, threads, origin)

    def _advance(self, path: Path, what: str) -> Callable[[int, int], None]:
        return lambda done, total: self._progress(f"{self._names[path]}: {what}", done, total)

    def memory(self, path: Path) -> tuple[MemoryUse | None, tuple[str, ...]]:
        """Peak memory, or a note that says why it is not known."""
        options = self._options
        images = [image.path for image in self._images[:MEMORY_IMAGES]]
        self._progress(f"{self._names[path]}: memory", 0, 1)
        try:
            use = measure_peak_memory(
                path,
                images,
                options.device,
                options.threads,
                config_of(path, options),
                options.trust,
                plugins_of(path, options),
                family_of(path, options),
            )
        except YolactDeployError as error:
            return None, (str(error),)
        self._progress(f"{self._names[path]}: memory", 1, 1)
        return use, ()


def timing_images(images: Sequence[DataImage]) -> list[Image]:
    """Decoded images, spread over the data set: at most TIMING_IMAGES, as many as TIMING_BYTES hold, at least one."""
    step = -(-len(images) // TIMING_IMAGES)
    decoded: list[Image] = []
    size = 0
    for image in images[::step]:
        pixels = image.read()
        size += pixels.nbytes
        if decoded and size > TIMING_BYTES:
            break
        decoded.append(pixels)
    return decoded
