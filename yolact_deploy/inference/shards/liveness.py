"""Which workers of a job are alive, told without comparing the clocks of two machines.

Each worker has a file of fixed size that it writes anew every few seconds. Others look whether it changes, over their
own monotonic time. On one machine a lock tells at once: the kernel frees it when its owner dies.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import secrets
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

_RECORD_BYTES = 512  # of a worker's file: writing it anew needs no room on a full disk
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_HOST_CHARACTERS = 60
_TOKEN_BYTES = 4


@dataclass(frozen=True)
class Timing:
    """How often workers look at one another, s."""

    beat: float = 5.0  # between two signs of life
    stale: float = 60.0  # without a sign of life for so long, a worker of another machine is taken for dead
    look: float = 2.0  # between two looks of a worker that waits


def this_machine() -> str:
    """Equal in all processes of one running kernel, whatever their containers are called."""
    try:
        return _BOOT_ID.read_text(encoding="ascii").strip()
    except OSError:
        return socket.gethostname()


@dataclass(frozen=True)
class WorkerState:
    """What a worker says of itself."""

    machine: str = ""
    is_locked: bool = False  # its file is, as long as it lives
    beat: int = 0
    pictures: int = 0  # of the shard that it works on
    has_ended: bool = False  # by itself: what it had claimed is free

    def to_bytes(self) -> bytes:
        """A record of fixed size."""
        return json.dumps(self.__dict__).encode("ascii").ljust(_RECORD_BYTES - 1) + b"\n"

    @classmethod
    def from_bytes(cls, data: bytes) -> WorkerState:
        """The inverse; what was read in the middle of a write says nothing."""
        try:
            state = cls(**json.loads(data))
        except (ValueError, TypeError):
            return cls()
        is_whole = all(type(getattr(state, name)) is type(value) for name, value in cls().__dict__.items())
        return state if is_whole else cls()


class Heartbeat:
    """Signs of life of this worker, until `close`."""

    def __init__(
        self,
        folder: Path,
        timing: Timing,
        machine: str | None = None,
        on_beat: Callable[[], object] = lambda: None,
    ) -> None:
        """folder: for the workers' files. machine: None for this one. on_beat: called after each, in a thread.

        Raises OSError when the file cannot be created.
        """
        host = re.sub(r"[^A-Za-z0-9.-]", "-", socket.gethostname())[:_HOST_CHARACTERS] or "host"
        self.name = f"{host}-{os.getpid()}-{secrets.token_hex(_TOKEN_BYTES)}"
        self.pictures = 0  # of the shard that is worked on
        self._on_beat = on_beat
        self._timing = timing
        self._machine = this_machine() if machine is None else machine
        self._beats = 0
        self._descriptor = os.open(worker_path(folder, self.name), os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o666)
        self._is_locked = False
        with contextlib.suppress(OSError):  # a file system without locks: the signs of life are enough
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._is_locked = True
        try:
            self._write(has_ended=False)
        except OSError:
            os.close(self._descriptor)
            raise
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._end.wait(self._timing.beat):
            with contextlib.suppress(OSError):  # the next one may come through
                self._write(has_ended=False)
            with contextlib.suppress(OSError):
                self._on_beat()

    def _write(self, has_ended: bool) -> None:
        self._beats += 1
        state = WorkerState(self._machine, self._is_locked, self._beats, self.pictures, has_ended)
        os.pwrite(self._descriptor, state.to_bytes(), 0)
        os.fsync(self._descriptor)

    def close(self) -> None:
        """Say that this worker has ended."""
        self._end.set()
        self._thread.join()
        with contextlib.suppress(OSError):
            self._write(has_ended=True)
        os.close(self._descriptor)


def worker_path(folder: Path, name: str) -> Path:
    """The file of a worker."""
    return folder / f"{name}.json"


@dataclass
class _Seen:
    data: bytes
    last_look: float  # monotonic, s
    unchanged_s: float = 0.0


class Watch:
    """What this process has seen of the other workers."""

    def __init__(
        self,
        folder: Path,
        timing: Timing,
        machine: str | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """folder: of the workers' files. clock: s."""
        self._folder, self._timing, self._clock = folder, timing, clock
        self._machine = this_machine() if machine is None else machine
        self._seen: dict[Path, _Seen] = {}

    def is_dead(self, name: str) -> bool:
        """Whether the worker `name` is known to have ended, or has been silent for too long."""
        path = worker_path(self._folder, name)
        data, lock_is_free = _look(path)
        state = WorkerState.from_bytes(data)
        if state.has_ended or (state.is_locked and state.machine == self._machine and lock_is_free):
            return True
        return self.is_stale(path, data)

    def is_stale(self, path: Path, data: bytes) -> bool:
        """Whether `path`, which holds `data` now, has not changed for too long.

        Only time in which this process looked counts: one that slept, or whose network was gone, knows nothing of it.
        """
        now = self._clock()
        seen = self._seen.get(path)
        if seen is None or seen.data != data:
            self._seen[path] = _Seen(data, now)
            return False
        seen.unchanged_s += min(now - seen.last_look, 2 * self._timing.look)
        seen.last_look = now
        return seen.unchanged_s >= self._timing.stale

    def state(self, name: str) -> WorkerState:
        """What the worker `name` says of itself now."""
        return WorkerState.from_bytes(_look(worker_path(self._folder, name))[0])


def _look(path: Path) -> tuple[bytes, bool]:
    """What a worker's file holds (nothing where there is none) and whether its lock is free.

    It is opened anew each time: that is when a network file system asks the server.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:
        return b"", False
    try:
        data = os.read(descriptor, _RECORD_BYTES)
    except OSError:
        data = b""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return data, True
    except OSError:  # somebody has it, or there are no locks
        return data, False
    finally:
        os.close(descriptor)
