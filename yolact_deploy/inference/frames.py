"""What flows through the pipeline."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

from ..types import Image, WindowedDetections

Note = Callable[[str], object]  # takes one line about something that does not stop the work


@dataclass(frozen=True)
class Frame:
    """One picture of a source."""

    index: int  # 0-based place in the source; what could not be read counts
    image_id: int  # in JSON files
    name: str  # file name in JSON files; outputs are named after it
    image: Image  # uint8 [H,W,3] BGR
    time_s: float | None = None  # in its video, or since the first frame of a live source; None for pictures


@dataclass(frozen=True)
class Failure:
    """A picture or a part of a video that could not be used, in one line."""

    message: str


@dataclass(frozen=True)
class Result:
    """A frame with what was found in it."""

    frame: Frame
    detections: WindowedDetections
    drawn: Image | None  # None where no sink shows pictures


class ByteStream(Protocol):
    """The part of a binary file that is used."""

    def read(self, size: int, /) -> bytes | None:
        """At most `size` bytes, none at the end."""
        ...


class Source(Protocol):
    """Where frames come from. `frames` runs in a thread of its own, once."""

    total: int | None  # frames, an estimate for videos, None where nobody knows
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
