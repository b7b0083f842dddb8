"""When each frame of a video is to be seen."""

from __future__ import annotations

from fractions import Fraction


class VideoClock:
    """Turns the time stamps of frames, in order, into seconds since the beginning of their video, which only grow."""

    def __init__(self, rate: Fraction, beginning: Fraction | None, has_stamps: bool = True) -> None:
        """rate: frames per second, where stamps are missing. beginning: in the video's own time, s; None for that of
        the first frame. has_stamps: false for a raw stream, whose stamps mean nothing."""
        self.set_back = 0  # how often a stamp was not later than the one before it
        self._step = 1 / rate
        self._beginning = beginning
        self._has_stamps = has_stamps
        self._last: Fraction | None = None
        self._shift = Fraction(0)

    def time_of(self, stamp_s: Fraction | None) -> float:
        """The time of the next frame, s. stamp_s: in the video's own time; None where the frame has none."""
        if stamp_s is None or not self._has_stamps:
            time_s = Fraction(0) if self._last is None else self._last + self._step
        else:
            self._beginning = stamp_s if self._beginning is None else self._beginning
            time_s = stamp_s - self._beginning + self._shift
            earliest = Fraction(0) if self._last is None else self._last + self._step
            if time_s < 0 or (self._last is not None and time_s <= self._last):
                self.set_back += self._last is not None
                self._shift += earliest - time_s
                time_s = earliest
        self._last = time_s
        return float(time_s)
