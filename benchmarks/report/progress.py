"""Progress of a benchmark on stderr, drawn only between measurements."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.progress import MofNCompleteColumn, TimeRemainingColumn
from rich.progress import Progress as Bars

from yolact_deploy.benchmarks.options import Progress
from yolact_deploy.console import LOG_SECONDS, bars

REDRAW_SECONDS = 0.2


@contextmanager
def shown_progress() -> Iterator[Progress]:
    """A bar on a terminal, a plain line every LOG_SECONDS in a log."""
    # Without auto_refresh: a thread that redraws ten times per second would be measured too.
    with bars(MofNCompleteColumn(), TimeRemainingColumn(), auto_refresh=False) as shown:
        yield _Shown(shown)


class _Shown:
    """One bar that starts anew at each step. In a log, most steps are too short for a line of their own."""

    def __init__(self, shown: Bars | None) -> None:
        self._bars = shown
        self._task = None if shown is None else shown.add_task("", total=None)
        self._what = ""
        self._last = time.monotonic()

    def __call__(self, what: str, done: int, total: int) -> None:
        now = time.monotonic()
        is_new, self._what = what != self._what, what
        if self._bars is None or self._task is None:
            if now - self._last >= LOG_SECONDS:
                self._last = now
                print(f"{what}: {done} of {total}", file=sys.stderr)
        elif is_new or done == total or now - self._last >= REDRAW_SECONDS:
            self._last = now
            if is_new:
                self._bars.reset(self._task, description=what)
            self._bars.update(self._task, completed=done, total=total, refresh=True)
