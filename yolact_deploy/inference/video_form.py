"""What a written video takes over from its source besides the pictures."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

DEFAULT_RATE = Fraction(25)  # frames per second, where a source does not say


class Sound:
    """Compressed sound on its way from the reader of a video to its writer."""

    def __init__(self, streams: Sequence[Any]) -> None:
        """streams: av.AudioStream of the source."""
        self.streams = tuple(streams)
        self.is_wanted = False  # the reader keeps nothing that nobody takes
        self.is_whole = False  # the reader has reached the end
        self._packets: deque[tuple[float, Any]] = deque()

    def add(self, packet: Any, time_s: float) -> None:
        """Take a packet (av.Packet) that sounds `time_s` after the beginning of the video."""
        if self.is_wanted:
            self._packets.append((time_s, packet))

    def until(self, time_s: float) -> Iterator[Any]:
        """Give away what begins before `time_s`."""
        while self._packets and self._packets[0][0] < time_s:
            yield self._packets.popleft()[1]


@dataclass(frozen=True)
class VideoForm:
    """How the frames of a source are to be shown."""

    rate: Fraction = DEFAULT_RATE  # frames per second, on average; the times of the frames count where they have any
    pixel_aspect: Fraction | None = None  # width by height of a pixel; None: square, or not known
    sound: Sound | None = None
    left_out: tuple[str, ...] = ()  # tracks that are never written, such as "subtitles"
