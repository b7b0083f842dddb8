"""Asks the machine's sources several times per second while a model is timed."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Sequence

from .reading import Reading, Source
from .summary import Span, Spread, Telemetry, counted_joules, summarise

INTERVAL_SECONDS = 0.2
IDLE_SECONDS = 1.0


class Record:
    """The readings of one model, gathered over as many stretches of work as it takes."""

    def __init__(self, source_count: int) -> None:
        self.spans: list[list[Span]] = [[] for _ in range(source_count)]  # of each source
        self.images = 0  # that went through the model in these spans

    def count(self, images: int) -> None:
        """So many more images went through the model."""
        self.images += images


class Monitor:
    """Keeps the sources of this machine open; a context manager. With no source, everything is a no-op."""

    def __init__(
        self,
        sources: Sequence[Source],
        interval: float = INTERVAL_SECONDS,
        idle_seconds: float = IDLE_SECONDS,
    ) -> None:
        """interval: between two readings, s. Idle power is measured now, for `idle_seconds`, if there is a sensor."""
        self._sources = list(sources)
        self._interval = interval
        self._idle: list[float | None] = [None] * len(self._sources)
        if any(_tells_power(source.read()) for source in self._sources):
            idle = self.record()
            with self.watching(idle):
                time.sleep(idle_seconds)
            self._idle = [_mean_power(spans[0]) for spans in idle.spans]

    def __enter__(self) -> Monitor:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close all sources."""
        for source in self._sources:
            source.close()

    def record(self) -> Record:
        """An empty record for one model."""
        return Record(len(self._sources))

    @contextlib.contextmanager
    def watching(self, record: Record) -> Iterator[Callable[[int], None]]:
        """Read while the body runs, and add the readings to `record`. Gives what counts the images of the body."""
        if not self._sources:
            yield record.count
            return
        readings: list[list[Reading]] = [[] for _ in self._sources]
        stop = threading.Event()
        start = time.monotonic()
        self._read_all(readings)
        thread = threading.Thread(target=self._sample, args=(readings, stop), name="telemetry", daemon=True)
        thread.start()
        try:
            yield record.count
        finally:
            stop.set()
            thread.join()
            self._read_all(readings)
            end = time.monotonic()
            for spans, said in zip(record.spans, readings, strict=True):
                spans.append(Span(start, end, tuple(said)))

    def telemetry(self, record: Record, on_gpu: bool) -> Telemetry | None:
        """What `record` comes to; None when no source said anything. on_gpu: whether the model ran on a GPU."""
        watched = [
            summarise(source.facts, spans, record.images, idle)
            for source, spans, idle in zip(self._sources, record.spans, self._idle, strict=True)
            if any(span.readings for span in spans) and (on_gpu or not source.facts.is_gpu)
        ]
        return Telemetry(record.images, tuple(watched)) if watched else None

    def _sample(self, readings: Sequence[list[Reading]], stop: threading.Event) -> None:
        while not stop.wait(self._interval):
            self._read_all(readings)

    def _read_all(self, readings: Sequence[list[Reading]]) -> None:
        for source, said in zip(self._sources, readings, strict=True):
            reading = source.read()
            # A source with a rhythm of its own may have nothing new yet.
            if not reading.is_empty and (not said or reading.seconds > said[-1].seconds):
                said.append(reading)


def _tells_power(reading: Reading) -> bool:
    return reading.watts is not None or reading.joules is not None


def _mean_power(span: Span) -> float | None:
    joules = counted_joules(span)
    if joules is not None:
        times = [reading.seconds for reading in span.readings if reading.joules is not None]
        return joules / (times[-1] - times[0])
    spread = Spread.of(reading.watts for reading in span.readings)
    return spread.mean if spread else None
