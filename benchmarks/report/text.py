"""A benchmark's report on the terminal and as Markdown."""

from __future__ import annotations

import re
import string
import textwrap
from collections.abc import Sequence

from rich import box
from rich.table import Table as RichTable
from rich.text import Text

from yolact_deploy import console
from yolact_deploy.benchmarks.report.model import BenchReport
from yolact_deploy.benchmarks.report.table import Table
from yolact_deploy.benchmarks.report.tables import all_tables
from yolact_deploy.benchmarks.report.wording import (
    accuracy_summary,
    alarms,
    comparison_summary,
    definitions,
    facts,
    hint_lines,
    summary,
)

MARKDOWN_TITLE = "# yolact-deploy bench"
CLASS_TABLES = ("classes", "errors", "confusion", "thresholds")  # a row for each class
MAX_TERMINAL_ROWS = 21  # of those: 20 classes and all of them
TERMINAL_WIDTH = 78  # columns
LONGEST_NAME = 14  # characters of a model's name in a table; longer ones are written once, under a letter
_STYLES = {"bad": "bold red", "good": "green", "": ""}
_BAD = ("NONE", "FAIL", "not judged", "slower", "worse", "YES")
_GOOD = ("pass", "faster", "better")


def cell_style(cell: str) -> str:
    """ "bad", "good" or nothing, for what a cell says."""
    return "bad" if cell in _BAD else "good" if cell in _GOOD else ""


def letter(index: int) -> str:
    """What stands for model `index` in tables and charts: A, B, ... Z, A1, ..."""
    round_number, place = divmod(index, len(string.ascii_uppercase))
    return string.ascii_uppercase[place] + (str(round_number) if round_number else "")


def print_report(report: BenchReport, written: Sequence[str] = ()) -> None:
    """The whole report on stdout: tables that fit 80 columns, then the facts, and last the verdict and where to look.

    written: files that hold more.
    """
    names = [model.name for model in report.models]
    letters = {name: letter(index) for index, name in enumerate(names)}
    shown = letters if max(map(len, names)) > LONGEST_NAME else {name: name for name in names}
    for name, mark in shown.items():
        if mark != name:
            console.say(f"{mark} = {name}")
    left_out = []
    for table in all_tables(report):
        if _is_too_large(table):
            left_out.append(table.title)
            continue
        console.say()
        console.say(table.title, style="bold")
        console.show(_rich_table(table, shown))
    console.say()
    for line in facts(report):
        console.say(line)
    if left_out:
        console.say(f"too large for a terminal, in --report, --markdown and --json: {'; '.join(left_out)}")
    for line in definitions(report):
        console.explain(line)
    console.say()
    for line in alarms(report):
        console.say(line, style="bold red")
    if report.comparison is not None:
        good = report.comparison.passed
        console.say(comparison_summary(report.comparison), style="bold green" if good else "bold red")
    for line in hint_lines(report):
        console.say(f"hint: {line}", style="bold yellow")
    if accuracy_summary(report):
        console.say(accuracy_summary(report), style="bold")
    style = "bold red" if not report.has_parity else "bold" if report.parity == "not judged" else "bold green"
    console.say(summary(report), style=style)
    console.say(
        f"written: {', '.join(written)}" if written else "-v explains the columns, --report FOLDER draws charts"
    )


def _is_too_large(table: Table) -> bool:
    """Whether a table about classes is too long or too wide for a terminal."""
    if table.key.partition(" ")[0] not in CLASS_TABLES:
        return False
    width = sum(max(len(word) for word in f"{column.name} {column.unit}".split()) + 1 for column in table.columns)
    return len(table.rows) > MAX_TERMINAL_ROWS or (table.key.startswith("confusion") and width > TERMINAL_WIDTH)


def _rich_table(table: Table, shown: dict[str, str]) -> RichTable:
    """Only columns of text may wrap, and only between words."""
    made = RichTable(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False, pad_edge=False)
    rows = [(shown.get(row[0], row[0]), *row[1:]) for row in table.rows]
    for column, cells in zip(table.columns, zip(*rows, strict=True), strict=True):
        head = " ".join(part for part in (shown.get(column.model, ""), column.name, column.unit) if part)
        if column.is_text:
            made.add_column(head, min_width=max(len(word) for text in (head, *cells) for word in text.split()))
        else:
            width = max(len(text) for text in (*cells, *head.split()))
            made.add_column(textwrap.fill(head, width), justify="right", no_wrap=True)
    for row in rows:
        made.add_row(*(Text(cell, _STYLES[cell_style(cell)]) for cell in row))
    return made


def to_markdown(report: BenchReport) -> str:
    """The same as the terminal shows with -v, and AP by class."""
    parts = [MARKDOWN_TITLE, *[f"**{_escaped(line)}**" for line in alarms(report)]]
    parts += [f"**Hint: {_escaped(line)}**" for line in hint_lines(report)]
    parts += [f"**{_escaped(line)}**" for line in (accuracy_summary(report), summary(report)) if line]
    if report.comparison is not None:
        parts.append(f"**{_escaped(comparison_summary(report.comparison))}**")
    for table in all_tables(report):
        parts += [f"## {_escaped(table.title)}", _markdown_table(table)]
    for title, lines in (("Facts", facts(report)), ("What was measured", definitions(report))):
        parts += [f"## {title}", "\n".join(f"- {_escaped(line)}" for line in lines)]
    return "\n\n".join(parts) + "\n"


def _markdown_table(table: Table) -> str:
    head = [column.title for column in table.columns]
    rows = [head, *table.rows]
    lines = ["| " + " | ".join(_escaped(cell) for cell in row) + " |" for row in rows]
    rule = "| " + " | ".join("---" if column.is_text else "---:" for column in table.columns) + " |"
    return "\n".join([lines[0], rule, *lines[1:]])


def _escaped(text: str) -> str:
    """`text` as one line of Markdown that has no markup of its own."""
    return re.sub(r"([\\`*\[\]<>|])|(?<!\w)_|_(?!\w)", lambda found: "\\" + found[0], " ".join(text.split()))
