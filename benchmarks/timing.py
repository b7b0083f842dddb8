"""How long a call takes: warm-up, then wall-clock time of each call, and what is typical of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import YolactDeployError

MIN_ITERATIONS = 10
MIN_SECONDS = 3.0
MAX_ITERATIONS = 300  # enough for percentiles of a call that takes microseconds
DEFAULT_WARMUP = 5
_MS = 1e3


@dataclass(frozen=True)
class Latency:
    """Wall-clock time of a call, ms: what is typical, and every single measurement."""

    p50: float
    p90: float
    p95: float
    p99: float
    mean: float
    min: float
    max: float
    iterations: int
    samples: tuple[float, ...] = ()  # in the order measured
    started: tuple[float, ...] = ()  # s from the start of the measurement to that of each call; empty: not known

    @classmethod
    def of(cls, seconds: Sequence[float], started: Sequence[float] = ()) -> Latency:
        """From single measurements, s."""
        ms = np.asarray(seconds, np.float64) * _MS
        p50, p90, p95, p99 = (float(value) for value in np.percentile(ms, (50, 90, 95, 99)))
        return cls(
            p50,
            p90,
            p95,
            p99,
            mean=float(ms.mean()),
            min=float(ms.min()),
            max=float(ms.max()),
            iterations=len(ms),
            samples=tuple(round(value, 4) for value in ms.tolist()),  # 0.1 us
            started=tuple(round(value, 4) for value in started),
        )

    def fps(self, images: int = 1) -> float:
        """Images a second at the median, when a call handles `images` of them."""
        return images * _MS / self.p50 if self.p50 else float("inf")


@dataclass(frozen=True)
class Schedule:
    """How often to measure."""

    iterations: int | None = None  # None: at least 10 and at least 3 s, but no more than 300
    warmup: int = DEFAULT_WARMUP  # calls before, not measured

    def __post_init__(self) -> None:
        if self.iterations is not None and self.iterations < 1:
            raise YolactDeployError(f"iterations {self.iterations}: 1 or more")
        if self.warmup < 0:
            raise YolactDeployError(f"warmup {self.warmup}: 0 or more")

    def goes_on(self, done: int, elapsed: float) -> bool:
        """Whether another call is due after `done` of them in `elapsed` s."""
        if self.iterations is not None:
            return done < self.iterations
        return done < MIN_ITERATIONS or (elapsed < MIN_SECONDS and done < MAX_ITERATIONS)

    def advance(self, done: int, elapsed: float) -> tuple[int, int]:
        """Progress as (done, total), in iterations where their number is fixed, in percent otherwise."""
        if self.iterations is not None:
            return done, self.iterations
        share = min(done / MIN_ITERATIONS, max(elapsed / MIN_SECONDS, done / MAX_ITERATIONS), 1.0)
        return int(share * 100), 100


def measure_latency(
    call: Callable[[int], object],
    schedule: Schedule,
    advance: Callable[[int, int], None] = lambda done, total: None,
) -> Latency:
    """The latency of `call(i)`, which must have finished its work, on whatever device, when it returns."""

    for index in range(schedule.warmup):
        call(index)
    seconds: list[float] = []
    started: list[float] = []
    start = before = time.perf_counter()
    while schedule.goes_on(len(seconds), before - start):
        before = time.perf_counter()
        call(len(seconds))
        after = time.perf_counter()
        seconds.append(after - before)
        started.append(before - start)
        advance(*schedule.advance(len(seconds), after - start))
    return Latency.of(seconds, started)
