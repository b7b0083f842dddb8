"""How long a call takes: rounds of calls after a warm-up, wall-clock time of each call, and what is typical of them."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from yolact_deploy.errors import YolactDeployError

MIN_ITERATIONS = 10
MIN_SECONDS = 3.0
MAX_ITERATIONS = 300  # enough for percentiles of a call that takes microseconds
DEFAULT_WARMUP = 5
LATER_WARMUP = 2  # before a round that is not the first: caches are cold again, nothing else is
ADVANCE_SECONDS = 0.05  # progress is said no more often, so that saying it costs nothing
_MS = 1e3

Advance = Callable[[int, int], None]  # how much is done, of how much
Timer = Callable[[Callable[[], object]], float]  # makes a call and says how long it took, s


@dataclass(frozen=True)
class Round:
    """One uninterrupted row of calls, one after the other."""

    seconds: tuple[float, ...]  # of each call
    started: tuple[float, ...]  # when each began, s on the clock `time.perf_counter`; empty where unknown
    wall: float  # from the start of the first to the end of the last, s


@dataclass(frozen=True)
class Latency:
    """Time per call, ms."""

    p50: float
    p90: float
    p95: float
    p99: float
    min: float
    max: float
    mean: float
    iterations: int
    samples: tuple[float, ...] = ()  # of each call, in the order measured
    started: tuple[float, ...] = ()  # when each call began, s since the start of the measurement; empty where unknown
    rounds: tuple[float, ...] = ()  # median of each round: how well the measurement repeats

    @classmethod
    def of(cls, seconds: Sequence[float], started: Sequence[float] = ()) -> Latency:
        """From single measurements of one round, s."""
        return cls.of_rounds([Round(tuple(seconds), tuple(started), float(sum(seconds)))])

    @classmethod
    def of_rounds(cls, rounds: Sequence[Round], origin: float = 0.0) -> Latency:
        """Percentiles of all calls together. origin: start of the measurement on the clock of `Round.started`, s."""
        ms = np.asarray([seconds for each in rounds for seconds in each.seconds], np.float64) * _MS
        p50, p90, p95, p99 = (float(value) for value in np.percentile(ms, (50, 90, 95, 99)))
        return cls(
            p50=p50,
            p90=p90,
            p95=p95,
            p99=p99,
            min=float(ms.min()),
            max=float(ms.max()),
            mean=float(ms.mean()),
            iterations=len(ms),
            samples=tuple(ms.tolist()),
            started=tuple(start - origin for each in rounds for start in each.started),
            rounds=tuple(statistics.median(each.seconds) * _MS for each in rounds),
        )

    def fps(self, images: int = 1) -> float:
        """Images per second at the median, when a call handles `images` of them."""
        return images * _MS / self.p50 if self.p50 else float("inf")


@dataclass(frozen=True)
class Part:
    """How often to measure in one round."""

    at_least: int  # calls
    at_most: float  # calls
    seconds: float  # after which no call begins, once `at_least` are done

    def goes_on(self, done: int, elapsed: float) -> bool:
        """Whether another call is due after `done` of them in `elapsed` s."""
        return done < self.at_least or (elapsed < self.seconds and done < self.at_most)

    def advance(self, done: int, elapsed: float) -> float:
        """The share of the round that is over, 0..1."""
        if self.at_least >= self.at_most:
            return done / self.at_least
        in_time = elapsed / self.seconds if self.seconds else 0.0
        return min(done / self.at_least, max(in_time, done / self.at_most), 1.0)


# More is a slip of the hand: it would run for years.
MAX_CALLS = 10_000_000
MAX_ROUNDS = 10_000
MAX_SECONDS = 7 * 24 * 3600


@dataclass(frozen=True)
class Schedule:
    """How often to measure, in all rounds together: a number of calls, or a time, or (neither) at least 10 calls and at
    least 3 s, but no more than 300 calls."""

    iterations: int | None = None  # calls
    warmup: int = DEFAULT_WARMUP  # calls before, not measured
    duration: float | None = None  # s
    rounds: int = 1

    def __post_init__(self) -> None:
        if self.iterations is not None and self.duration is not None:
            raise YolactDeployError("a number of iterations and a duration exclude each other: give one of them")
        if self.iterations is not None and not 1 <= self.iterations <= MAX_CALLS:
            raise YolactDeployError(f"iterations {self.iterations}: 1 or more, up to {MAX_CALLS}")
        if self.duration is not None and not 0 < self.duration <= MAX_SECONDS:
            raise YolactDeployError(f"duration {self.duration:g} s: more than 0, up to {MAX_SECONDS}")
        if not 0 <= self.warmup <= MAX_CALLS:
            raise YolactDeployError(f"warmup {self.warmup}: 0 or more, up to {MAX_CALLS}")
        if not 1 <= self.rounds <= MAX_ROUNDS:
            raise YolactDeployError(f"repeats {self.rounds}: 1 or more, up to {MAX_ROUNDS}")

    def parts(self) -> list[Part]:
        """What each round measures; no more rounds than calls."""
        if self.iterations is not None:
            count = min(self.rounds, self.iterations)
            calls = [(self.iterations + index) // count for index in range(count)]
            return [Part(call, call, 0.0) for call in calls]
        count = self.rounds
        if self.duration is not None:
            return [Part(1, math.inf, self.duration / count)] * count
        return [Part(-(-MIN_ITERATIONS // count), -(-MAX_ITERATIONS // count), MIN_SECONDS / count)] * count

    def warmup_of(self, index: int) -> int:
        """Calls before round `index`, not measured."""
        return self.warmup if index == 0 else min(self.warmup, LATER_WARMUP)


def by_clock(call: Callable[[], object]) -> float:
    """The time of a call that has finished its work, on whatever device, when it returns: s."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def measure_round(
    call: Callable[[int], object],
    part: Part,
    warmup: int = 0,
    first: int = 0,
    advance: Advance = lambda done, total: None,
    timer: Timer = by_clock,
) -> Round:
    """Time `call(first)`, `call(first + 1)`, ... after `warmup` calls. Progress is in percent."""
    for index in range(warmup):
        call(first + index)
    seconds: list[float] = []
    started: list[float] = []
    start = now = said = time.perf_counter()
    while part.goes_on(len(seconds), now - start):
        started.append(time.perf_counter())
        index = first + len(seconds)
        seconds.append(timer(lambda index=index: call(index)))  # type: ignore[misc]
        now = time.perf_counter()
        if now - said >= ADVANCE_SECONDS:
            said = now
            advance(int(part.advance(len(seconds), now - start) * 100), 100)
    advance(100, 100)
    return Round(tuple(seconds), tuple(started), now - start)
