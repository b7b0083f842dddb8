"""How long a thread waited for a core that other processes had: what a shared machine adds to a time."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

PROC = Path("/proc")
_NS = 1e9
_IDLE_FIELDS = (3, 4)  # of /proc/stat's first line: idle, waiting for a disk
_COUNTED_FIELDS = 8  # user, nice, system, idle, iowait, irq, softirq, steal; what follows is in user already


class CoreWait:
    """Asks the Linux kernel's scheduler about the thread that enters it; use it as a context manager there.

    A thread that could run but waits for a core says nothing about its model. How long it waited is the second number
    of /proc/thread-self/schedstat (the kernel's Documentation/scheduler/sched-stats.rst).
    """

    def __init__(self, proc: Path | None = None) -> None:
        """proc: instead of PROC."""
        self._proc = PROC if proc is None else proc
        self._file: int | None = None
        self._others = 0.0

    def __enter__(self) -> CoreWait:
        try:
            self._file = os.open(self._proc / "thread-self" / "schedstat", os.O_RDONLY)
            self._others = self._used_by_others()
            self.seconds()
        except (OSError, ValueError, IndexError):  # another system, or a kernel that does not count
            self._close()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def seconds(self) -> float:
        """For how long the thread has waited so far, s; 0 where that is unknown."""
        if self._file is None:
            return 0.0
        return int(os.pread(self._file, 100, 0).split()[1]) / _NS

    def caused_by_others(self, waited: Sequence[float]) -> tuple[float, ...]:
        """waited: s of each call since the start -> what of it other processes can have caused; empty where unknown.

        A model that runs more threads than there are cores waits for itself. So no more waiting is taken for the doing
        of others than they used cores in that time.
        """
        if self._file is None:
            return ()
        total = sum(waited)
        used = max(self._used_by_others() - self._others, 0.0)
        share = min(used / total, 1.0) if total else 0.0
        return tuple(share * each for each in waited)

    def _used_by_others(self) -> float:
        """Time of all cores that is not this process's, s since any fixed moment."""
        fields = (self._proc / "stat").read_text(encoding="ascii").split("\n", 1)[0].split()[1 : 1 + _COUNTED_FIELDS]
        ticks = sum(int(field) for index, field in enumerate(fields) if index not in _IDLE_FIELDS)
        return ticks / os.sysconf("SC_CLK_TCK") - time.process_time()

    def _close(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None
