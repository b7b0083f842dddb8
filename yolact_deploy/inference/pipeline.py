"""Decoding, the model, drawing and writing at the same time: four threads, bounded queues, order kept."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from ..errors import ImageError
from ..types import Advance, NetworkDetections
from .channel import Channel
from .frames import Failure, Frame, Result, Sink, Source

T = TypeVar("T")

QUEUE_FRAMES = 3  # between two stages: evens out frames that take longer, holds few pictures
_LEAVE_SECONDS = 2.0  # a source that waits for a camera or a pipe cannot be woken: it is left behind

Detect = Callable[[Frame], NetworkDetections]
Render = Callable[[Frame, NetworkDetections], Result]


@dataclass(frozen=True)
class StageTime:
    """How long one stage worked, without its waiting."""

    name: str
    frames: int
    seconds: float

    @property
    def fps(self) -> float:
        """Frames per second, had it not had to wait for the others."""
        return self.frames / self.seconds if self.seconds > 0 else 0.0


@dataclass(frozen=True)
class PipelineReport:
    """What became of a run."""

    frames: int  # written
    detections: int
    failures: tuple[str, ...]  # one line for each picture that could not be used
    stages: tuple[StageTime, ...]
    seconds: float  # first to last
    dropped: int  # frames of a live source that came too fast
    was_stopped: bool


class _Stage:
    """Clock of one stage."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._frames = 0
        self._seconds = 0.0

    def timed(self, work: Callable[[], T]) -> T:
        """`work()`, which is one frame's work unless it raises or gives None."""
        start = time.perf_counter()
        done = work()
        if done is not None:
            self._seconds += time.perf_counter() - start
            self._frames += 1
        return done

    def time(self) -> StageTime:
        return StageTime(self.name, self._frames, self._seconds)


class Pipeline:
    """One run from a source to sinks. `run` works once."""

    def __init__(self, source: Source, detect: Detect, render: Render, sinks: Sequence[Sink]) -> None:
        """detect: the network; it runs in the thread that calls `run`, where the model was opened. render: masks at
        image size and drawing."""
        self._source, self._detect, self._render, self._sinks = source, detect, render, sinks
        self._stop = threading.Event()  # take no new frames, finish the others
        self._broken = threading.Event()  # a stage has failed: nothing goes on
        self._error: BaseException | None = None
        self._frames = self._detections = 0
        self._failures: list[str] = []
        self._decode, self._model, self._draw, self._write = map(_Stage, ("decode", "model", "draw", "write"))
        capacity = 1 if source.is_live else QUEUE_FRAMES
        self._decoded: Channel[Frame | Failure] = Channel(
            capacity, self._stop, lambda item: source.is_live and isinstance(item, Frame)
        )
        self._detected: Channel[tuple[Frame, NetworkDetections] | Failure] = Channel(QUEUE_FRAMES, self._broken)
        self._drawn: Channel[Result | Failure] = Channel(QUEUE_FRAMES, self._broken)

    def stop(self) -> None:
        """Take no new frames; those that are detected are still drawn and written. Safe in a signal handler."""
        self._stop.set()

    def run(self, advance: Advance = lambda done, total: None) -> PipelineReport:
        """Work until the source ends or `stop`; files are finished either way. `advance` hears of the progress.

        Raises what a stage raises (OutputError, for one); then the sinks keep nothing that is not whole.
        """
        start = time.perf_counter()
        self._advance = advance
        reader = threading.Thread(target=self._guarded, args=(self._run_decode, self._decoded), daemon=True)
        workers = [
            threading.Thread(target=self._guarded, args=(self._run_draw, self._drawn)),
            threading.Thread(target=self._guarded, args=(self._run_write, None)),
        ]
        for thread in (reader, *workers):
            thread.start()
        was_stopped = False
        try:
            self._guarded(self._run_model, self._detected)
        finally:
            was_stopped = self._stop.is_set() and self._error is None
            self._stop.set()
            for worker in workers:
                worker.join()
            reader.join(_LEAVE_SECONDS)
            if not reader.is_alive():
                self._source.close()
            self._close_sinks()
        if self._error is not None:
            raise self._error
        stages = tuple(stage.time() for stage in (self._decode, self._model, self._draw, self._write))
        seconds = time.perf_counter() - start
        return PipelineReport(
            self._frames, self._detections, tuple(self._failures), stages, seconds, self._decoded.dropped, was_stopped
        )

    def _close_sinks(self) -> None:
        """Each is closed, whatever becomes of the others. Where nothing could be read, there is nothing to keep."""
        is_kept = self._error is None and (self._frames > 0 or not self._failures)
        for sink in self._sinks:
            self._guarded(partial(sink.close, is_kept), None)

    def _guarded(self, stage: Callable[[], None], output: Channel[Any] | None) -> None:
        """Run a stage; its end ends the next one, its error ends all."""
        try:
            stage()
        except BaseException as error:
            self._error = self._error or error
            self._broken.set()
            self._stop.set()
        finally:
            if output is not None:
                output.close()

    def _run_decode(self) -> None:
        frames = self._source.frames()
        while True:
            item = self._decode.timed(lambda: next(frames, None))
            if item is None or self._stop.is_set() or not self._decoded.put(item):
                return

    def _run_model(self) -> None:
        while (item := self._decoded.get()) is not None:
            self._detected.put(item if isinstance(item, Failure) else self._attempt(self._model, self._detect_in, item))

    def _detect_in(self, frame: Frame) -> tuple[Frame, NetworkDetections]:
        return frame, self._detect(frame)

    def _run_draw(self) -> None:
        while (item := self._detected.get()) is not None:
            if isinstance(item, Failure):
                self._drawn.put(item)
            else:
                self._drawn.put(self._attempt(self._draw, self._render, *item))

    @staticmethod
    def _attempt(stage: _Stage, work: Callable[..., T], frame: Frame, *arguments: object) -> T | Failure:
        """A picture that the model or the memory has no place for fails alone."""
        try:
            return stage.timed(lambda: work(frame, *arguments))
        except ImageError as error:
            return Failure(f"{frame.name}: {error}")

    def _run_write(self) -> None:
        while (item := self._drawn.get()) is not None:
            if isinstance(item, Failure):
                self._failures.append(item.message)
            else:
                self._write.timed(partial(self._write_all, item))
                self._frames += 1
                self._detections += len(item.detections)
            self._advance(self._frames + len(self._failures), self._source.total)

    def _write_all(self, result: Result) -> bool:
        for sink in self._sinks:
            sink.write(result)
        return True
