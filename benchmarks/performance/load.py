"""Models under load: calls back to back from several callers, and frames that arrive at a fixed rate."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from yolact_deploy.benchmarks.performance.timing import ADVANCE_SECONDS, Advance, Latency, Part, Round, Schedule

MAX_WAITING = 4  # calls; when more have arrived while the model is busy, the oldest are dropped
_SPIN_SECONDS = 1e-3  # before an arrival: sleeping that short is not exact

Call = Callable[[int], object]

LOAD_REGIONS = {
    "throughput": "images of all streams per second, from the start of the first call to the end of the last; each "
    "call begins when the one before it ends",
    "arrivals": "frames arrive at a fixed rate, whether the model is ready or not; latency is counted from a frame's "
    f"arrival (of a batch: its first frame's) to its result; more than {MAX_WAITING} calls waiting: the oldest are "
    "dropped; late: later than the next arrival",
}


@dataclass(frozen=True)
class Throughput:
    """Images per second under back-to-back load."""

    streams: int  # callers at the same time, each with the model opened for itself
    threads: int | None  # CPU threads of each caller's model; None: the runtime's default
    fps: float  # of all callers together, all rounds
    rounds: tuple[float, ...]  # the same of each round
    latency: Latency | None  # of each call under this load; None: one caller, so it is that end to end

    @classmethod
    def of(
        cls, rounds: Sequence[Round], images: int, streams: int = 1, threads: int | None = None, origin: float = 0.0
    ) -> Throughput:
        """images: of a call. origin: see `Latency.of_rounds`."""
        return cls(
            streams=streams,
            threads=threads,
            fps=_rate(sum(len(each.seconds) for each in rounds) * images, sum(each.wall for each in rounds)),
            rounds=tuple(_rate(len(each.seconds) * images, each.wall) for each in rounds),
            latency=Latency.of_rounds(rounds, origin) if streams > 1 else None,
        )


@dataclass(frozen=True)
class Arrivals:
    """What becomes of frames that arrive at a fixed rate."""

    target_fps: float  # images per second
    images: int  # that arrived
    late: int  # images whose result came after the next arrival
    dropped: int  # images that waited too long to be looked at
    fps: float  # images per second that got a result
    latency: Latency  # from arrival to result; `started` are the arrivals


def _rate(images: int, seconds: float) -> float:
    return images / seconds if seconds else float("inf")


def threads_each(streams: int, threads: int | None, cores: int) -> int | None:
    """CPU threads of each caller's model: as asked for, else the cores are shared out."""
    return threads if threads is not None or streams == 1 else max(cores // streams, 1)


@contextmanager
def pytorch_threads_kept() -> Iterator[None]:
    """PyTorch has one number of threads for the whole process, which opening a checkpoint sets."""
    torch: Any = sys.modules.get("torch")
    before = torch.get_num_threads() if torch else None
    try:
        yield
    finally:
        if before is not None:
            torch.set_num_threads(before)


def measure_streams(
    calls: Sequence[Call], schedule: Schedule, advance: Advance = lambda done, total: None
) -> tuple[list[Round], float]:
    """Rounds of `calls`, each in a thread of its own, all at the same time; and when the first began. The schedule's
    numbers of calls are of each caller. Raises what a call raises."""
    rounds = []
    parts = schedule.parts()
    origin = time.perf_counter()
    for index, part in enumerate(parts):
        advance(index, len(parts))
        several = Part(part.at_least * len(calls), part.at_most * len(calls), part.seconds)
        rounds.append(_Callers(several, len(calls)).run(calls, schedule.warmup_of(index)))
    advance(len(parts), len(parts))
    return rounds, origin


class _Callers:
    """Callers that share one round's calls: who is free takes the next."""

    def __init__(self, part: Part, count: int) -> None:
        self._part = part
        self._lock = threading.Lock()
        self._ready = threading.Barrier(count, action=self._start)
        self._begun = 0
        self._first = 0.0  # s, when all began
        self._spans: list[tuple[float, float]] = []  # s, of each call

    def run(self, calls: Sequence[Call], warmup: int) -> Round:
        """All calls of the round."""
        with ThreadPoolExecutor(len(calls), "caller") as pool:
            errors = [future.exception() for future in [pool.submit(self._work, call, warmup) for call in calls]]
        causes = [error for error in errors if error is not None]
        for error in sorted(causes, key=lambda error: isinstance(error, threading.BrokenBarrierError)):
            raise error
        spans = sorted(self._spans)
        last = max(end for _, end in spans)
        return Round(tuple(end - start for start, end in spans), tuple(start for start, _ in spans), last - self._first)

    def _start(self) -> None:
        self._first = time.perf_counter()

    def _work(self, call: Call, warmup: int) -> None:
        try:
            for number in range(warmup):
                call(number)
            self._ready.wait()
        except BaseException:
            self._ready.abort()
            raise
        while (index := self._next()) is not None:
            start = time.perf_counter()
            call(index)
            self._spans.append((start, time.perf_counter()))

    def _next(self) -> int | None:
        with self._lock:
            if not self._part.goes_on(self._begun, time.perf_counter() - self._first):
                return None
            self._begun += 1
            return self._begun - 1


def measure_arrivals(
    call: Call, target_fps: float, images: int, schedule: Schedule, advance: Advance = lambda done, total: None
) -> Arrivals:
    """Frames arrive `target_fps` per second; `call` takes `images` of them, once the last of these is there.

    The schedule's numbers of calls are of arrivals, dropped ones included. Latency is counted from the arrival, so that
    a slow call is also billed for the frames that it keeps waiting (no coordinated omission).
    """
    rounds: list[Round] = []
    arrived = dropped = late = 0
    parts = schedule.parts()
    origin = time.perf_counter()
    for index, part in enumerate(parts):
        for number in range(schedule.warmup_of(index)):
            call(number)
        stream = _FrameStream(call, target_fps, images)
        rounds.append(stream.run(part, partial(_advance_of_round, advance, index, len(parts))))
        arrived += stream.arrived
        dropped += stream.dropped
        late += stream.late
    return Arrivals(
        target_fps=target_fps,
        images=arrived * images,
        late=late * images,
        dropped=dropped * images,
        fps=_rate((arrived - dropped) * images, sum(each.wall for each in rounds)),
        latency=Latency.of_rounds(rounds, origin),
    )


def _advance_of_round(advance: Advance, index: int, count: int, share: float) -> None:
    advance(int((index + share) * 100), 100 * count)


class _FrameStream:
    """One round of arrivals, counted in calls."""

    def __init__(self, call: Call, target_fps: float, images: int) -> None:
        self._call = call
        self._interval = images / target_fps  # s between two calls' frames
        self._filling = (images - 1) / target_fps  # s from a call's first frame to its last
        self.arrived = self.dropped = self.late = 0

    def run(self, part: Part, advance: Callable[[float], None]) -> Round:
        """Take what arrives until `part` is over."""
        seconds: list[float] = []
        arrivals: list[float] = []
        start = now = said = time.perf_counter()
        while part.goes_on(self.arrived, now - start):
            complete = start + self.arrived * self._interval + self._filling
            waiting = int((now - complete) / self._interval) if now > complete else 0
            if waiting > MAX_WAITING:
                self.arrived += 1
                self.dropped += 1
                continue
            _wait_until(complete)
            self._call(self.arrived)
            now = time.perf_counter()
            arrivals.append(complete - self._filling)
            seconds.append(now - arrivals[-1])
            self.late += now > complete + self._interval
            self.arrived += 1
            if now - said >= ADVANCE_SECONDS:
                said = now
                advance(part.advance(self.arrived, now - start))
        advance(1.0)
        return Round(tuple(seconds), tuple(arrivals), now - start)


def _wait_until(moment: float) -> None:
    """Sleeps, and spins for the last millisecond."""
    left = moment - time.perf_counter() - _SPIN_SECONDS
    if left > 0:
        time.sleep(left)
    while time.perf_counter() < moment:
        pass
