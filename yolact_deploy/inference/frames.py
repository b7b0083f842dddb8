"""What flows through the pipeline."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from ..types import Image, WindowedDetections


@dataclass(frozen=True)
class Frame:
    """One picture of a source."""

    index: int  # 0-based place in the source; what could not be read counts
    image_id: int  # in JSON files
    name: str  # file name in JSON files; outputs are named after it
    image: Image  # uint8 [H,W,3] BGR
    time_s: float | None = None  # since the first frame, where frames come in real time


@dataclass(frozen=True)
class Failure:
    """A picture that could not be used, in one line."""

    message: str


@dataclass(frozen=True)
class Result:
    """A frame with what was found in it."""

    frame: Frame
    detections: WindowedDetections
    drawn: Image | None  # None where no sink shows pictures


class Source(Protocol):
    """Where frames come from. `frames` runs in a thread of its own, once."""

    total: int | None  # frames, None where nobody knows
    is_live: bool  # frames come whether or not they are taken: the newest counts

    def frames(self) -> Iterator[Frame | Failure]:
        """Every picture in order, those that cannot be read as failures."""
        ...

    def close(self) -> None:
        """Give back what it holds."""
        ...


class Sink(Protocol):
    """Where results go. `write` runs in a thread of its own, in the order of the source."""

    needs_drawing: bool

    def write(self, result: Result) -> None:
        """Take one result. Raises OutputError."""
        ...

    def close(self, keep: bool) -> None:
        """Finish the file, or with `keep` false leave none of it. Raises OutputError."""
        ...
