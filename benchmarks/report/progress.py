"""Progress of a benchmark on stderr, drawn only between measurements."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from yolact_deploy.benchmarks.options import Progress
from yolact_deploy.console import LOG_SECONDS

REDRAW_SECONDS = 0.2


@contextmanager
def shown_progress() -> Iterator[Progress]:
    """A bar on a terminal, now and then a plain line in a log."""
    if not sys.stderr.isatty():
        yield _LogProgress()
        return
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    # Without auto_refresh: a thread that redraws ten times per second would be measured too.
    with Bar(*columns, console=Console(stderr=True), auto_refresh=False, transient=True) as bar:
        yield _BarProgress(bar)


class _BarProgress:
    """One bar, which starts anew at each step."""

    def __init__(self, bar: Bar) -> None:
        self._bar = bar
        self._task = bar.add_task("", total=None)
        self._what = ""
        self._last = 0.0

    def __call__(self, what: str, done: int, total: int) -> None:
        now = time.monotonic()
        is_new = what != self._what
        if is_new:
            self._what = what
            self._bar.reset(self._task, description=what)
        if is_new or done == total or now - self._last >= REDRAW_SECONDS:
            self._last = now
            self._bar.update(self._task, completed=done, total=total, refresh=True)


class _LogProgress:
    """A line every LOG_SECONDS, whatever the step: most steps are shorter than that."""

    def __init__(self) -> None:
        self._last = time.monotonic()

    def __call__(self, what: str, done: int, total: int) -> None:
        now = time.monotonic()
        if now - self._last >= LOG_SECONDS:
            self._last = now
            print(f"{what}: {done} of {total}", file=sys.stderr)
