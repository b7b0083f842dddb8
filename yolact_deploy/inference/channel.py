"""A bounded queue between two threads that both learn when the other has stopped."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")
_POLL_SECONDS = 0.1  # how often a waiting thread looks whether it should go on waiting


class Channel(Generic[T]):
    """One producer, one consumer, order kept, at most `capacity` items in between."""

    def __init__(
        self, capacity: int, abandoned: threading.Event, is_droppable: Callable[[T], bool] = lambda item: False
    ) -> None:
        """abandoned: once set, nobody waits here any more. is_droppable: a new item of this kind takes the place of the
        oldest one instead of holding up the producer; other items neither displace nor are displaced."""
        self.dropped = 0
        self._capacity = capacity
        self._abandoned = abandoned
        self._is_droppable = is_droppable
        self._items: deque[T] = deque()
        self._is_closed = False
        self._changed = threading.Condition()

    def put(self, item: T) -> bool:
        """Wait for room and append; False when nobody will take it any more."""
        with self._changed:
            if self._is_droppable(item):
                self._make_room()
            while len(self._items) >= self._capacity:
                if self._abandoned.is_set():
                    return False
                self._changed.wait(_POLL_SECONDS)
            self._items.append(item)
            self._changed.notify_all()
        return not self._abandoned.is_set()

    def _make_room(self) -> None:
        oldest = next((at for at, item in enumerate(self._items) if self._is_droppable(item)), None)
        if oldest is not None and len(self._items) >= self._capacity:
            del self._items[oldest]
            self.dropped += 1

    def get(self) -> T | None:
        """Wait for the next item; None when there will be none."""
        with self._changed:
            while not self._items:
                if self._is_closed or self._abandoned.is_set():
                    return None
                self._changed.wait(_POLL_SECONDS)
            if self._abandoned.is_set():
                return None
            item = self._items.popleft()
            self._changed.notify_all()
            return item

    def close(self) -> None:
        """The producer has finished; what is queued can still be taken."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
