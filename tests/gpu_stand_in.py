"""A stand-in for a GPU, behind the stand-ins for the bindings of CUDA and for TensorRT.

Its memory is memory of the host, and starts as garbage. A stream is a queue: what it is given is done in order, and
not before something waits for it, so that whoever forgets to wait reads what was there before.
"""

from __future__ import annotations

import ctypes
import itertools
import threading
from collections import deque
from collections.abc import Callable
from typing import Any

Work = Callable[[], object]
GARBAGE = 0xA5


class FakeCudaError(Exception):
    """An error that CUDA would return."""


class FakeStream:
    """Work that waits to be done, or to become a graph while the stream is captured."""

    def __init__(self) -> None:
        self._queue: deque[Work] = deque()
        self._recorded: list[Work] | None = None
        self._capturing_thread = 0
        self._working = threading.RLock()  # whoever waits does the work, one after the other

    def submit(self, work: Work) -> None:
        (self._queue if self._recorded is None else self._recorded).append(work)

    def wait(self) -> None:
        """Do everything that was submitted."""
        if self._recorded is not None:
            raise FakeCudaError("operation not permitted when stream is capturing")
        self.drain()

    def drain(self) -> None:
        """Do everything that was submitted, unless the stream is captured."""
        with self._working:
            while self._queue and self._recorded is None:
                self._queue.popleft()()

    def begin_capture(self) -> None:
        with self._working:
            assert self._recorded is None
            self._recorded, self._capturing_thread = [], threading.get_ident()

    def end_capture(self) -> list[Work]:
        recorded, self._recorded = self._recorded, None
        assert recorded is not None
        return recorded

    @property
    def is_captured_here(self) -> bool:
        return self._recorded is not None and self._capturing_thread == threading.get_ident()


class FakeGpu:
    """One GPU: what is alive on it, what was called, and what is to fail."""

    def __init__(self, name: str = "Orin", capability: tuple[int, int] = (8, 7)) -> None:
        self.name, self.capability = name, capability
        self.memory: dict[int, Any] = {}  # of the device, by address
        self.pinned: dict[int, Any] = {}
        self.streams: dict[int, FakeStream] = {}
        self.events: dict[int, float | None] = {}  # ms; None: recorded, and not yet reached
        self.graphs: dict[int, list[Work]] = {}
        self.executables: dict[int, list[Work]] = {}
        self.calls: list[str] = []
        self.clock_ms = 0.0
        self.memory_limit = 1 << 40
        self.fails: set[str] = set()  # functions that return an error
        self.last_error = False  # what cudaGetLastError would say, and clear
        self._handles = itertools.count(1001)

    @property
    def live(self) -> dict[str, int]:
        """How many of each kind were not given back."""
        kinds = ("memory", "pinned", "streams", "events", "graphs", "executables")
        return {kind: len(getattr(self, kind)) for kind in kinds if getattr(self, kind)}

    def new(self, table: dict[int, Any], value: Any) -> int:
        """A handle for `value`."""
        handle = next(self._handles)
        table[handle] = value
        return handle

    def allocate(self, table: dict[int, Any], nbytes: int) -> int:
        self._refuse_in_capture()
        if nbytes > self.memory_limit:
            raise MemoryError
        block = (ctypes.c_uint8 * nbytes)()
        address = ctypes.addressof(block)
        ctypes.memset(address, GARBAGE, nbytes)
        table[address] = block
        return address

    def free(self, table: dict[int, Any], address: int) -> None:
        self._refuse_in_capture()
        for stream in list(self.streams.values()):  # as cudaFree does, but for what another thread captures
            stream.drain()
        del table[address]  # freeing twice is a KeyError

    def _refuse_in_capture(self) -> None:
        """In the mode "thread local" only the thread that captures may neither allocate nor free."""
        if any(stream.is_captured_here for stream in list(self.streams.values())):
            raise FakeCudaError("operation not permitted when stream is capturing")

    def destroy_stream(self, handle: int) -> None:
        self.streams[handle].wait()
        del self.streams[handle]

    def record(self, event: int, stream: int) -> None:
        self.events[event] = None

        def happen() -> None:
            self.clock_ms += 1.0
            if event in self.events:
                self.events[event] = self.clock_ms

        self.streams[stream].submit(happen)

    def elapsed(self, start: int, end: int) -> float:
        first, last = self.events[start], self.events[end]
        if first is None or last is None:
            raise FakeCudaError("device not ready")
        return last - first

    def copy(self, target: int, source: int, nbytes: int, stream: int) -> None:
        """Inside the device, or between it and pinned memory, either way."""
        for address in (target, source):
            assert any(
                start <= address and address + nbytes <= start + len(block)
                for start, block in (*self.memory.items(), *self.pinned.items())
            ), "a copy outside of any allocation"
        self.streams[stream].submit(lambda: ctypes.memmove(target, source, nbytes))
