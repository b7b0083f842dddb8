"""One frame in so many of a video or a stream."""

from __future__ import annotations

from collections.abc import Iterator

from .frames import Failure, Frame, Source


class EveryNth:
    """The first frame of a source and each `step`-th after it, with their own numbers and times; all failures."""

    def __init__(self, source: Source, step: int) -> None:
        """step: 1 or more."""
        self._source, self._step = source, step
        self.is_live = source.is_live
        self.total = None if source.total is None else -(-source.total // step)

    def frames(self) -> Iterator[Frame | Failure]:
        """What is left of the source's."""
        for item in self._source.frames():
            if isinstance(item, Failure) or item.index % self._step == 0:
                yield item

    def close(self) -> None:
        """Give back what the source holds."""
        self._source.close()
