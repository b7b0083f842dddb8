"""From single readings to what a report says of a model: means, ranges, energy, and whether it was throttled."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from .reading import Reading, SourceFacts

MIN_ENERGY_SECONDS = 1.0  # counters move about ten times per second: less is not worth a number
MAX_SILENCE_SECONDS = 2.0  # at either end of a span: beyond, its energy is not known


@dataclass(frozen=True)
class Spread:
    """Of all readings."""

    low: float
    mean: float
    high: float

    @classmethod
    def of(cls, values: Iterable[float | None]) -> Spread | None:
        """None when nothing is said."""
        said = [value for value in values if value is not None]
        return cls(min(said), sum(said) / len(said), max(said)) if said else None


@dataclass(frozen=True)
class Throttling:
    """One reason for lower clocks."""

    reason: str
    share: float | None  # of the readings in which it held, 0..1; None: it is only counted
    events: int | None  # None: it is not counted

    def describe(self) -> str:
        """Such as "power limit, in 40 % of the readings"."""
        if self.events is not None:
            return f"{self.reason}, {self.events} time{'' if self.events == 1 else 's'}"
        return f"{self.reason}, in {self.share:.0%} of the readings"


@dataclass(frozen=True)
class Span:
    """The readings of one uninterrupted stretch of work."""

    start: float  # of time.monotonic()
    end: float
    readings: tuple[Reading, ...]  # the first and the last about at its ends

    @property
    def seconds(self) -> float:
        """How long it was."""
        return self.end - self.start


@dataclass(frozen=True)
class Watched:
    """What one source said while a model ran. None: it does not say."""

    source: str  # what was watched
    tool: str  # that was asked
    seconds: float
    readings: int
    power_mode: str | None
    power_of: str | None
    power: Spread | None  # W
    idle_power: float | None  # W, before the models were opened to be timed
    energy: float | None  # J, idle power included
    energy_from: str | None  # "its counter" or "power over time"
    joules_per_image: float | None
    images_per_joule: float | None
    temperature: Spread | None  # degrees Celsius
    clock: Spread | None  # MHz
    max_clock: float | None  # MHz
    utilisation: Spread | None  # 0..1
    throttling: tuple[Throttling, ...] | None


@dataclass(frozen=True)
class Telemetry:
    """What the sensors read while a model was timed end to end."""

    images: int  # that went through the model meanwhile
    watched: tuple[Watched, ...]

    @property
    def throttling(self) -> tuple[str, ...]:
        """Every reason for lower clocks, in words."""
        return tuple(reason.describe() for watched in self.watched for reason in watched.throttling or ())


def summarise(facts: SourceFacts, spans: Sequence[Span], images: int, idle_power: float | None) -> Watched:
    """What a source said in `spans`, in which `images` went through the model."""
    readings = [reading for span in spans for reading in span.readings]
    seconds = sum(span.seconds for span in spans)
    energy, energy_from = _energy(spans) if seconds >= MIN_ENERGY_SECONDS else (None, None)
    power = Spread.of(reading.watts for reading in readings)
    if energy is not None:
        mean = energy / seconds
        power = Spread(min(power.low, mean), mean, max(power.high, mean)) if power else Spread(mean, mean, mean)
    return Watched(
        source=facts.name,
        tool=facts.tool,
        seconds=seconds,
        readings=len(readings),
        power_mode=facts.power_mode,
        power_of=facts.power_of if power else None,
        power=power,
        idle_power=idle_power,
        energy=energy,
        energy_from=energy_from,
        joules_per_image=energy / images if energy is not None and images else None,
        images_per_joule=images / energy if energy and images else None,
        temperature=Spread.of(reading.celsius for reading in readings),
        clock=Spread.of(reading.mhz for reading in readings),
        max_clock=facts.max_mhz,
        utilisation=Spread.of(reading.utilisation for reading in readings),
        throttling=_throttling(spans, readings),
    )


def _energy(spans: Sequence[Span]) -> tuple[float | None, str | None]:
    """J over all spans, by the counter where every span has it."""
    counted = [counted_joules(span) for span in spans]
    if counted and None not in counted:
        return sum(joules for joules in counted if joules is not None), "its counter"
    integrated = [integrate_power(span) if _is_covered(span, "watts") else None for span in spans]
    if integrated and None not in integrated:
        return sum(joules for joules in integrated if joules is not None), "power over time"
    return None, None


def counted_joules(span: Span) -> float | None:
    """J of a span by the counter; None when it does not tell, fell silent or went back."""
    counters = [reading.joules for reading in span.readings if reading.joules is not None]
    if len(counters) < 2 or counters[-1] < counters[0] or not _is_covered(span, "joules"):
        return None
    return counters[-1] - counters[0]


def _is_covered(span: Span, name: str) -> bool:
    """Whether `name`, a field of the readings, is known near both ends."""
    times = [reading.seconds for reading in span.readings if getattr(reading, name) is not None]
    return (
        len(times) > 0 and times[0] <= span.start + MAX_SILENCE_SECONDS and times[-1] >= span.end - MAX_SILENCE_SECONDS
    )


def integrate_power(span: Span) -> float | None:
    """J of a span by the trapezoidal rule; before the first reading and after the last one, power is theirs."""
    said = [(reading.seconds, reading.watts) for reading in span.readings if reading.watts is not None]
    if not said:
        return None
    times, watts = (np.asarray(values, np.float64) for values in zip(*said, strict=True))
    moments = np.unique(np.clip(np.concatenate(([span.start], times, [span.end])), span.start, span.end))
    powers = np.interp(moments, times, watts)
    return float(np.sum(np.diff(moments) * (powers[1:] + powers[:-1]) / 2))


def _throttling(spans: Sequence[Span], readings: Sequence[Reading]) -> tuple[Throttling, ...] | None:
    if all(reading.throttling is None and not reading.events for reading in readings):
        return None
    held = Counter(reason for reading in readings for reason in reading.throttling or ())
    sampled = [Throttling(reason, count / len(readings), None) for reason, count in held.items()]
    grown: Counter[str] = Counter()
    for span in spans:
        counters = [dict(reading.events) for reading in span.readings if reading.events]
        for reason, last in counters[-1].items() if counters else ():
            grown[reason] += max(last - counters[0].get(reason, last), 0)
    return (*sampled, *(Throttling(reason, None, count) for reason, count in grown.items() if count))
