"""How commands speak: tables and results on stdout, errors and progress on stderr."""

from __future__ import annotations

import dataclasses
import json
import logging
import os
import re
import sys
import time
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from rich import box
from rich.console import Console, RenderableType
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.table import Table
from rich.text import Text

from ._version import __version__
from .files import check_no_input, check_output_path, check_report_target, write_text

if TYPE_CHECKING:
    from .types import Advance

LOG_WIDTH = 200  # columns where no terminal says how many it has
LOG_SECONDS = 10.0  # between two lines of progress
MADE_BY = "yolact-deploy"
JSON_MARK = f'"made_by": "{MADE_BY} '  # near the start of every JSON file of ours
STDOUT = "-"  # as a file name of --json and its like

VERBOSE: ContextVar[bool] = ContextVar("verbose", default=False)
COMMAND_LINE: ContextVar[str] = ContextVar("command_line", default="")  # as a shell takes it


def set_verbose(wanted: bool) -> None:
    """Show details from now on, those of the libraries underneath too, or stop showing them."""
    VERBOSE.set(wanted)
    logging.getLogger("yolact_deploy").setLevel(logging.DEBUG if wanted else logging.NOTSET)


class ClosedPipeError(Exception):
    """Whoever read our output has gone, as `| head` does."""


class _Console(Console):
    def on_broken_pipe(self) -> NoReturn:
        raise ClosedPipeError


def _console(is_error: bool = False) -> Console:
    """A console on today's stdout or stderr. Names of files and classes are no markup."""
    stream = sys.stderr if is_error else sys.stdout
    width = None if stream.isatty() or "COLUMNS" in os.environ else LOG_WIDTH
    return _Console(stderr=is_error, width=width, markup=False, emoji=False, highlight=False)


def visible(text: str) -> str:
    """`text` with what a terminal obeys or hides (control characters, changes of direction) written as escapes."""
    return "".join(char if _is_visible(char) else char.encode("unicode_escape").decode() for char in text)


def _is_visible(char: str) -> bool:
    return char.isprintable() or unicodedata.category(char) == "Zs"  # the spaces of other scripts


def say(text: str = "", style: str | None = None) -> None:
    """One line on stdout, not wrapped."""
    _console().print(visible(text), style=style, soft_wrap=True)


def explain(text: str) -> None:
    """One line on stdout that only -v shows."""
    if VERBOSE.get():
        say(text, style="dim")


def warn(text: str) -> None:
    """One line on stderr about something that does not stop the work."""
    print(f"note: {one_line(text)}", file=sys.stderr)


def fail(text: str) -> None:
    """The one line on stderr that says what is wrong and what to do."""
    print(f"error: {one_line(text)}", file=sys.stderr)


def one_line(text: str) -> str:
    """`text` without terminal colours, every run of white space as one space, other control characters visible."""
    return visible(" ".join(re.sub(r"\x1b\[[0-9;]*m", "", text).split()))


def show_table(columns: Sequence[str], rows: Iterable[Sequence[object]], numbers: Sequence[str] = ()) -> None:
    """A table on stdout; the columns named in `numbers` are set flush right."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for column in columns:
        table.add_column(column, justify="right" if column in numbers else "left", overflow="fold")
    for row in rows:
        table.add_row(*(visible(str(cell)) for cell in row))
    _console().print(table)


def show(renderable: RenderableType) -> None:
    """Anything that rich draws, on stdout."""
    _console().print(renderable)


def show_facts(facts: Iterable[tuple[str, object]]) -> None:
    """Name and value, one pair a line, values aligned."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in facts:
        table.add_row(name, visible(str(value)))
    _console().print(table)


def to_json(value: Any) -> str:
    """Dataclasses, paths, tuples and plain values as indented JSON; what is not printable, as JSON's escapes."""
    text = json.dumps(value, indent=2, ensure_ascii=False, default=_plain)
    return "".join(char if _is_visible(char) or char == "\n" else json.dumps(char)[1:-1] for char in text)


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    return str(value)


def emit_json(value: Any, target: str) -> None:
    """`value` as JSON to stdout when `target` is "-", to that file otherwise. Raises OutputError."""
    marked = {"made_by": f"{MADE_BY} {__version__}", **value} if isinstance(value, dict) else value
    emit_text(to_json(marked) + "\n", target)


def emit_text(text: str, target: str) -> None:
    """`text` to stdout when `target` is "-", to that file otherwise. Raises OutputError."""
    if target == STDOUT:
        print(text, end="")
    else:
        write_text(check_output_path(target, force=True), text)


def check_target(
    target: str | None, inputs: Iterable[str | Path | None] = (), marks: Sequence[str] = (JSON_MARK,)
) -> None:
    """Before long work: make sure that `emit_text` can write `target`, and that it is none of `inputs`.

    marks: texts by which a report of ours is known, see `check_report_target`. Raises OutputError.
    """
    if target not in (None, STDOUT):
        check_no_input(target, inputs)
        check_report_target(target, marks, force=None)


def size_text(size_bytes: int | None) -> str:
    """A file size for people in MiB, KiB or bytes, three digits; "?" when it is not known."""
    if size_bytes is None:
        return "?"
    if size_bytes < 1 << 10:
        return f"{size_bytes} B"
    size, unit = (size_bytes / (1 << 20), "MiB") if size_bytes >= 1 << 20 else (size_bytes / (1 << 10), "KiB")
    return f"{size:.{0 if size >= 100 else 1 if size >= 10 else 2}f} {unit}"


@contextmanager
def progress(description: str, is_bytes: bool = False, shows_rate: bool = False) -> Iterator[Advance]:
    """A progress bar on a terminal, a plain line every LOG_SECONDS in a log. shows_rate: amounts per second, too."""
    amounts: tuple[ProgressColumn, ...] = (MofNCompleteColumn(),)
    if is_bytes:
        amounts = (DownloadColumn(), TransferSpeedColumn())
    elif shows_rate:
        amounts = (MofNCompleteColumn(), _RateColumn())
    description = visible(description)
    with bars(*amounts, TimeRemainingColumn()) as shown:
        if shown is None:
            yield _LogProgress(description, is_bytes, shows_rate)
            return
        task = shown.add_task(description, total=None)
        yield lambda done, total: shown.update(task, completed=done, total=total)


@contextmanager
def bars(*columns: ProgressColumn, auto_refresh: bool = True) -> Iterator[Progress | None]:
    """Bars on stderr with `columns` behind each, gone at the end; None where stderr is no terminal.

    auto_refresh: whether a thread redraws them, or only what updates them.
    """
    console = _console(is_error=True)
    if not console.is_terminal:
        yield None
        return
    described = TextColumn("{task.description}", markup=False)
    with Progress(
        described, BarColumn(), *columns, console=console, transient=True, auto_refresh=auto_refresh
    ) as shown:
        yield shown


class _RateColumn(ProgressColumn):
    """Amounts per second."""

    def render(self, task: Task) -> Text:
        return Text("" if task.speed is None else f"{task.speed:.1f} per second")


class _LogProgress:
    """Progress where a bar would fill a log; short work says nothing."""

    def __init__(self, description: str, is_bytes: bool, shows_rate: bool) -> None:
        self._description = description
        self._is_bytes, self._shows_rate = is_bytes, shows_rate
        self._last = time.monotonic()
        self._start: tuple[int, float] | None = None  # what was done when, at the first call

    def __call__(self, done: int, total: int | None) -> None:
        now = time.monotonic()
        self._start = self._start or (done, now)
        if now - self._last < LOG_SECONDS:
            return
        self._last = now
        if self._is_bytes:
            amounts = f"{size_text(done)} of {size_text(total)}"
        else:
            amounts = f"{done} of {'?' if total is None else total}"
        if self._shows_rate and now > self._start[1]:
            amounts += f", {(done - self._start[0]) / (now - self._start[1]):.1f} per second"
        print(f"{self._description}: {amounts}", file=sys.stderr)
