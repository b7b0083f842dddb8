"""A self-test as JSON and as one page of HTML, to attach to a bug report."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from yolact_deploy._version import __version__
from yolact_deploy.benchmarks.selftest.check import FAILED, PASSED, SKIPPED
from yolact_deploy.benchmarks.selftest.run import SelfTest
from yolact_deploy.console import JSON_MARK, MADE_BY
from yolact_deploy.errors import OutputError
from yolact_deploy.files import check_report_target, make_output_folder, write_json, write_text

JSON_NAME, PAGE_NAME = "selftest.json", "selftest.html"
_MAKER = f"{MADE_BY} {__version__}"
_MARKS = {JSON_NAME: JSON_MARK, PAGE_NAME: f'content="{MADE_BY} '}  # by which our files are known
_STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; margin: 1rem 0; }
th, td { text-align: left; vertical-align: top; padding: .25rem .9rem .25rem 0; border-bottom: 1px solid #ddd; }
.passed { color: #176f2c; } .failed { color: #b3261e; font-weight: bold; } .skipped { color: #666; }
"""

CHECK_COLUMNS = ("check", "result", "s", "detail")
TIME_COLUMNS = ("kernels", "µs", "each kernel, µs", "PyTorch, µs", "times faster", "MB moved", "GB/s", "of a copy")
GOAL_COLUMNS = ("goal", "wanted", "measured", "")
Row = Sequence[str]


def check_folder(folder: Path) -> None:
    """Before long work: both files can be written into `folder`, which is created where it is missing.

    Reports of ours are replaced. Raises OutputError for any other file of these names.
    """
    if folder.exists() and not folder.is_dir():
        raise OutputError(f"{folder} is a file: name a folder with --output")
    make_output_folder(folder)
    for name, mark in _MARKS.items():
        check_report_target(folder / name, (mark,), force=None)


def write(folder: Path, result: SelfTest, command: str) -> tuple[Path, Path]:
    """Write both files into `folder`, and return their paths. Raises OutputError."""
    data, page = folder / JSON_NAME, folder / PAGE_NAME
    write_json(data, to_json(result, command))
    write_text(page, to_html(result, command))
    return data, page


def to_json(result: SelfTest, command: str) -> dict[str, Any]:
    """All of it."""
    return {
        "made_by": _MAKER,
        "command": command,
        "summary": summary(result),
        "checks": [asdict(check) for check in result.checks],
        "goals": [asdict(goal) for goal in result.goals],
        "hardware": asdict(result.hardware),
        "findings": [asdict(finding) for finding in result.machine.findings],
        "abilities": [asdict(ability) for ability in result.machine.abilities],
    }


def summary(result: SelfTest) -> dict[str, int]:
    """How many checks ended how."""
    return {status: sum(check.status == status for check in result.checks) for status in (PASSED, FAILED, SKIPPED)}


def check_rows(result: SelfTest) -> list[Row]:
    """CHECK_COLUMNS of each check."""
    return [(check.name, check.status, f"{check.seconds:.1f}", check.detail) for check in result.checks]


def time_rows(result: SelfTest) -> list[Row]:
    """TIME_COLUMNS of what was timed."""
    times = [each for check in result.checks for each in check.figures.get("times", ())]
    return [
        (
            each["name"],
            f"{each['microseconds']:.1f}",
            ", ".join(f"{name} {value:.1f}" for name, value in each["kernels"].items()) or "-",
            "-" if each["pytorch"] is None else f"{each['pytorch']:.0f}",
            "-" if each["speedup"] is None else f"{each['speedup']:.1f}",
            f"{each['megabytes']:.2f}",
            f"{each['gb_per_s']:.0f}",
            f"{each['share_of_copy']:.0%}",
        )
        for each in times
    ]


def goal_rows(result: SelfTest) -> list[Row]:
    """GOAL_COLUMNS of each goal."""
    return [(goal.name, goal.wanted, goal.measured, "met" if goal.met else "not met") for goal in result.goals]


def to_html(result: SelfTest, command: str) -> str:
    """One page without scripts that needs no other file. All text in it is escaped."""
    counts = ", ".join(f"{count} {status}" for status, count in summary(result).items())
    findings = [(each.title, each.version or "missing", each.detail) for each in result.machine.findings]
    tables = (
        ("Checks", CHECK_COLUMNS, check_rows(result)),
        ("Times of the kernels", TIME_COLUMNS, time_rows(result)),
        ("Goals", GOAL_COLUMNS, goal_rows(result)),
        ("Machine", ("what", "version", "detail"), findings),
    )
    body = "".join(f"<h2>{title}</h2>\n{_table(columns, rows)}" for title, columns, rows in tables if rows)
    lines = "".join(f"<p>{html.escape(line)}</p>\n" for line in (*result.hardware.lines(), command))
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">\n'
        f'<meta name="generator" content="{_MAKER}">\n'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
        f"<title>Self-test: {counts}</title>\n<style>{_STYLE}</style></head><body>\n"
        f"<h1>Self-test: {counts}</h1>\n{lines}{body}</body></html>\n"
    )


def _table(columns: Row, rows: Iterable[Row]) -> str:
    head = "".join(f"<th>{html.escape(column)}</th>" for column in columns)
    lines = ["".join(_cell(str(cell)) for cell in row) for row in rows]
    return f"<table><tr>{head}</tr>\n" + "".join(f"<tr>{line}</tr>\n" for line in lines) + "</table>\n"


def _cell(text: str) -> str:
    marked = f' class="{text}"' if text in (PASSED, FAILED, SKIPPED) else ""
    return f"<td{marked}>{html.escape(text)}</td>"
