"""A video through `infer`: each stage alone, then all together.

    python -m yolact_deploy.benchmarks.scripts.video model.onnx [--video FILE] [--runs 5] [--json FILE]

Alone: a few frames at a time go through one stage while nothing else runs. Together: what `infer` does, from opening
the video to the finished file. The goal is that together takes hardly longer than the slowest stage alone. Where
the model has taken all cores, that cannot be: the other stages need some of them, and `least` says how long a frame
takes with every core busy all the time.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import cv2
import numpy as np

from yolact_deploy import console
from yolact_deploy.benchmarks.hardware import describe_hardware
from yolact_deploy.benchmarks.scripts.arguments import positive
from yolact_deploy.errors import DataError, YolactDeployError
from yolact_deploy.files import write_json
from yolact_deploy.images import read_image
from yolact_deploy.inference.frames import Frame
from yolact_deploy.inference.options import InferOptions
from yolact_deploy.inference.run import InferRun
from yolact_deploy.inference.selection import Selection
from yolact_deploy.inference.sources import open_source
from yolact_deploy.inference.video_file import VideoFile
from yolact_deploy.predictor import Predictor

FRAMES = 300
WIDTH, HEIGHT = 1280, 720  # px
RATE = 25.0  # frames per second
RUNS = 5
SCORE = 0.3  # as `infer` has it
STAGES = ("decode", "model", "draw", "write")
PICTURES = Path(__file__).parent.parent / "data" / "nano" / "images"
_CHUNK = 10  # frames that a stage works on before the next stage has its turn
_FRAMES_A_PICTURE = 10
_MS = 1e3

T = TypeVar("T")


@dataclass(frozen=True)
class StageCost:
    """What one frame costs in one stage, ms, median of the runs."""

    name: str
    wall_ms: float  # alone
    cpu_ms: float  # of all threads


@dataclass(frozen=True)
class VideoResult:
    """Each stage alone and all together, medians of the runs."""

    frames: int
    runs: int
    cores: int
    stages: tuple[StageCost, ...]
    together_ms: float  # a frame, from opening the video to the finished file

    @property
    def slowest(self) -> StageCost:
        """The stage that alone takes the most time."""
        return max(self.stages, key=lambda stage: stage.wall_ms)

    @property
    def ratio(self) -> float:
        """Together by slowest stage alone."""
        return self.together_ms / self.slowest.wall_ms

    @property
    def least_ms(self) -> float:
        """A frame with all cores busy all the time, but no less than the slowest stage."""
        return max(self.slowest.wall_ms, sum(stage.cpu_ms for stage in self.stages) / self.cores)


class _Clock:
    """Wall and CPU time by stage, s."""

    def __init__(self) -> None:
        self.wall = dict.fromkeys(STAGES, 0.0)
        self.cpu = dict.fromkeys(STAGES, 0.0)

    def timed(self, stage: str, work: Callable[[], T]) -> T:
        wall, cpu = time.perf_counter(), time.process_time()
        done = work()
        self.wall[stage] += time.perf_counter() - wall
        self.cpu[stage] += time.process_time() - cpu
        return done


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry of `python -m yolact_deploy.benchmarks.scripts.video`."""
    parser = argparse.ArgumentParser(description="A video through infer: each stage alone, then all together.")
    parser.add_argument("model", type=Path, help="a checkpoint, an .onnx file or an engine")
    parser.add_argument("--video", type=Path, help="made up of the bundled pictures if left out")
    parser.add_argument("--frames", type=positive, default=FRAMES, help="of the made-up video")
    parser.add_argument("--runs", type=positive, default=RUNS)
    parser.add_argument("--threads", type=int, help="CPU threads of the model; the runtime decides if left out")
    parser.add_argument("--json", type=Path, help="write the result to this file")
    options = parser.parse_args(arguments)
    try:
        with tempfile.TemporaryDirectory() as folder:
            video = options.video or make_video(Path(folder) / "made-up.mp4", options.frames)
            result = measure_video(options.model, video, Path(folder), options.runs, options.threads)
        print_result(result)
        if options.json:
            facts = {"model": options.model.name, "threads": options.threads, "hardware": asdict(describe_hardware())}
            write_json(options.json, {**facts, **to_json(result)})
    except YolactDeployError as error:
        console.fail(str(error))
        sys.exit(error.exit_status)


def make_video(path: Path, frames: int = FRAMES, pictures: Path = PICTURES) -> Path:
    """A 720p video that pans over each picture in turn. Raises DataError when there is none."""
    images = sorted(pictures.glob("*.jpg"))
    if not images:
        raise DataError(f"no pictures in {pictures} to make a video of: pass --video")
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), RATE, (WIDTH, HEIGHT))
    for index in range(frames):
        shot, step = divmod(index, _FRAMES_A_PICTURE)
        if step == 0:
            image = read_image(images[shot % len(images)])
            scale = 1.1 * max(WIDTH / image.shape[1], HEIGHT / image.shape[0])
            image = np.asarray(cv2.resize(image, None, fx=scale, fy=scale), np.uint8)
        top, left = ((image.shape[axis] - size) * step // _FRAMES_A_PICTURE for axis, size in ((0, HEIGHT), (1, WIDTH)))
        writer.write(image[top : top + HEIGHT, left : left + WIDTH])
    writer.release()
    return path


def measure_video(
    model: Path, video: Path, folder: Path, runs: int = RUNS, threads: int | None = None, score: float = SCORE
) -> VideoResult:
    """Measure `runs` times, stages and whole in turn; videos are written into `folder`. Raises YolactDeployError."""
    cv2.setNumThreads(1)  # as `infer` does
    clocks: list[_Clock] = []
    together: list[float] = []
    count = 0
    with Predictor.open(model, threads=threads, shares_cores=True) as predictor:
        options = InferOptions(str(video), folder / "out.mp4", selection=Selection(score), force=True)
        for _ in range(runs):
            clock = _Clock()
            count = _run_alone(predictor, options, folder / "alone.mp4", clock)
            if count == 0:
                raise DataError(f"no frame of {video} can be decoded: pass another --video")
            clocks.append(clock)
            start = time.perf_counter()
            InferRun(predictor, options, open_source(options)).run()
            together.append((time.perf_counter() - start) / count)
    stages = tuple(
        StageCost(
            name, _median_ms([c.wall[name] / count for c in clocks]), _median_ms([c.cpu[name] / count for c in clocks])
        )
        for name in STAGES
    )
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return VideoResult(count, runs, cores, stages, _median_ms(together))


def _median_ms(seconds: Sequence[float]) -> float:
    return statistics.median(seconds) * _MS


def _run_alone(predictor: Predictor, options: InferOptions, target: Path, clock: _Clock) -> int:
    """The work of `infer`, one stage after the other; gives the number of frames."""
    opened = open_source(options)
    job = InferRun(predictor, options, opened)  # for its model and draw stage
    sink = VideoFile(target, opened.form, console.warn, force=True)
    frames = opened.source.frames()
    count = 0
    while chunk := clock.timed("decode", lambda: list(_good(islice(frames, _CHUNK)))):
        found = clock.timed("model", partial(_each, job.stages.detect, chunk))
        results = clock.timed("draw", partial(_each, job.stages.render, chunk, found))
        clock.timed("write", partial(_each, sink.write, results))
        count += len(chunk)
    clock.timed("write", lambda: sink.close(keep=True))
    opened.source.close()
    return count


def _good(items: Iterator[Any]) -> Iterator[Frame]:
    return (item for item in items if isinstance(item, Frame))


def _each(work: Callable[..., T], *items: Sequence[Any]) -> list[T]:
    return list(map(work, *items))


def to_json(result: VideoResult) -> dict[str, Any]:
    """The result with what follows from it."""
    return {**asdict(result), "slowest": result.slowest.name, "ratio": result.ratio, "least_ms": result.least_ms}


def print_result(result: VideoResult) -> None:
    """A table and the ratio, on stdout."""
    rows = [(stage.name, f"{stage.wall_ms:.1f}", f"{stage.cpu_ms:.1f}") for stage in result.stages]
    rows.append(("all together", f"{result.together_ms:.1f}", ""))
    rows.append((f"least on {result.cores} cores", f"{result.least_ms:.1f}", ""))
    console.show_table(("stage", "ms per frame", "CPU ms"), rows, numbers=("ms per frame", "CPU ms"))
    console.say(
        f"{result.frames} frames: {result.ratio:.2f} times the slowest stage alone ({result.slowest.name}), "
        f"{result.together_ms / result.least_ms:.2f} times the least; medians of {result.runs} runs"
    )


if __name__ == "__main__":
    main()
