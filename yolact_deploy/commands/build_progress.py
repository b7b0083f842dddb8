"""The phases of an engine build: nested bars on a terminal, a plain line now and then in a log."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.progress import MofNCompleteColumn, Progress, TaskID, TimeElapsedColumn

from .. import console
from ..trt.library import LOGGER_NAME

if TYPE_CHECKING:
    from ..export.engine.build_monitor import BuildListener

MAX_DEPTH = 3  # deeper phases come and go faster than one can read


class PhaseLog:
    """Says what a build is at, every LOG_SECONDS; a short build says nothing."""

    def __init__(self) -> None:
        self._last = time.monotonic()

    def started(self, phase: str, parent: str | None, steps: int) -> None:
        now = time.monotonic()
        if now - self._last >= console.LOG_SECONDS:
            self._last = now
            print(f"building: {phase}, {steps} steps", file=sys.stderr)

    def stepped(self, phase: str, step: int) -> None: ...

    def finished(self, phase: str) -> None: ...


class PhaseBars:
    """A bar for every phase that is under way."""

    def __init__(self, bars: Progress) -> None:
        self._bars = bars
        self._open: dict[str, tuple[TaskID, int]] = {}  # bar and depth by phase

    def started(self, phase: str, parent: str | None, steps: int) -> None:
        depth = self._open[parent][1] + 1 if parent in self._open else 0
        if depth < MAX_DEPTH and phase not in self._open:
            self._open[phase] = (self._bars.add_task("  " * depth + phase, total=steps), depth)

    def stepped(self, phase: str, step: int) -> None:
        if phase in self._open:
            self._bars.update(self._open[phase][0], completed=step + 1)

    def finished(self, phase: str) -> None:
        if phase in self._open:
            self._bars.remove_task(self._open.pop(phase)[0])


@contextmanager
def build_progress() -> Iterator[BuildListener]:
    """Shows a build on stderr; with -v also all that the library logs."""
    with _library_log(), console.bars(MofNCompleteColumn(), TimeElapsedColumn()) as bars:
        yield PhaseLog() if bars is None else PhaseBars(bars)


@contextmanager
def _library_log() -> Iterator[None]:
    if not console.VERBOSE.get():
        yield
        return
    logger, handler = logging.getLogger(LOGGER_NAME), logging.StreamHandler()
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
