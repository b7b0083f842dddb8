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
from yolact_deploy.benchmarks.report.class_table import class_table
from yolact_deploy.benchmarks.report.model import BenchReport
from yolact_deploy.benchmarks.report.table import Table
from yolact_deploy.benchmarks.report.tables import all_tables
from yolact_deploy.benchmarks.report.wording import alarms, comparison_summary, definitions, facts, summary

MARKDOWN_TITLE = "# yolact-deploy bench"
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
    for table in all_tables(report):
        console.say()
        console.say(table.title, style="bold")
        console.show(_rich_table(table, shown))
    console.say()
    for line in facts(report):
        console.say(line)
    for line in definitions(report):
        console.explain(line)
    console.say()
    for line in alarms(report):
        console.say(line, style="bold red")
    if report.comparison is not None:
        good = report.comparison.passed
        console.say(comparison_summary(report.comparison), style="bold green" if good else "bold red")
    style = "bold" if report.parity == "not judged" else "bold green" if report.has_parity else "bold red"
    console.say(summary(report), style=style if report.has_parity else "bold red")
    console.say(f"report: {', '.join(written)}" if written else "-v explains the columns, --report FOLDER draws charts")


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
    parts.append(f"**{_escaped(summary(report))}**")
    if report.comparison is not None:
        parts.append(f"**{_escaped(comparison_summary(report.comparison))}**")
    for table in (*all_tables(report), class_table(report)):
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
