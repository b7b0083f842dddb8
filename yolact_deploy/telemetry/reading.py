"""What a source of telemetry says at one moment, and what every source is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Reading:
    """What a source says at one moment. None or empty: it does not say."""

    seconds: float  # of time.monotonic()
    watts: float | None = None
    joules: float | None = None  # used since some moment before the first reading
    celsius: float | None = None
    mhz: float | None = None
    utilisation: float | None = None  # 0..1
    throttling: tuple[str, ...] | None = None  # reasons that hold now
    events: tuple[tuple[str, int], ...] = ()  # reasons that are only counted, and how often until now

    @property
    def said(self) -> tuple[str, ...]:
        """What is said, in words."""
        values = (
            ("power", self.watts),
            ("energy", self.joules),
            ("temperature", self.celsius),
            ("clock", self.mhz),
            ("load", self.utilisation),
            ("throttling", self.events or self.throttling),
        )
        return tuple(name for name, value in values if value is not None)

    @property
    def is_empty(self) -> bool:
        """Whether nothing is said."""
        return not self.said


@dataclass(frozen=True)
class SourceFacts:
    """What does not change while a source is open. None: not known."""

    name: str  # of what is watched, such as "NVIDIA H200"
    tool: str  # that is asked, such as "NVML"
    is_gpu: bool = False  # whether it reads a GPU only: then it says nothing about a model on the CPU
    power_of: str | None = None  # what `watts` and `joules` are measured of
    max_mhz: float | None = None
    power_mode: str | None = None
    notes: tuple[str, ...] = ()  # for people: what is missing, and why


class Source(Protocol):
    """Something that can be asked. Reading is cheap and never raises: what fails is not said."""

    @property
    def facts(self) -> SourceFacts:
        """What does not change."""
        ...

    def read(self) -> Reading:
        """What is so now."""
        ...

    def close(self) -> None:
        """Give back what it holds; may be called twice."""
        ...
