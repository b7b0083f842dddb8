"""The two files of a report folder: the page, and the JSON with all its numbers."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from yolact_deploy.benchmarks.report.html.page import JSON_NAME, draw_page
from yolact_deploy.benchmarks.report.json_report import to_json
from yolact_deploy.benchmarks.report.model import BenchReport
from yolact_deploy.console import JSON_MARK, MADE_BY
from yolact_deploy.dependencies import require
from yolact_deploy.errors import OutputError
from yolact_deploy.files import check_report_target, make_output_folder, write_text

PAGE_NAME = "report.html"
PAGE_MARKS = (f'content="{MADE_BY} ',)  # by which our files are known
JSON_MARKS = (JSON_MARK, '{\n  "format": ')  # the second: before files named their maker


def check_report_folder(folder: Path, force: bool = False) -> list[Path]:
    """Before long work: make sure that `write_report` can write into `folder`, which is created where it is missing.

    Returns the paths that it will write. An earlier report is replaced; other files stay. Raises OutputError for a
    folder that cannot be written and, unless `force`, for files of these names that are not ours; raises
    MissingDependencyError without matplotlib or jinja2.
    """
    for package in ("matplotlib", "jinja2"):
        require(package, "--report")
    if folder.exists() and not folder.is_dir():
        raise OutputError(f"{folder} is a file: name a folder for the report")
    make_output_folder(folder)
    return [
        check_report_target(folder / name, marks, force)
        for name, marks in ((PAGE_NAME, PAGE_MARKS), (JSON_NAME, JSON_MARKS))
    ]


def write_report(folder: Path, report: BenchReport, command: str) -> Path:
    """Write the report into `folder`, and return the path of its page.

    command: the command line that made it. Raises OutputError.
    """
    write_text(folder / JSON_NAME, json_text({"command": command, **to_json(report)}))
    write_text(folder / PAGE_NAME, draw_page(report, command))
    return folder / PAGE_NAME


def json_text(value: dict[str, Any]) -> str:
    """Indented JSON with each list of numbers on one line."""
    text = json.dumps(value, indent=2, ensure_ascii=False) + "\n"
    # A line break inside brackets cannot be part of a string: there it is escaped.
    return re.sub(r"\[\n\s+(-?\d[^\[\]{}\"]*?)\n\s+\]", lambda found: f"[{_joined(found[1])}]", text)


def _joined(lines: str) -> str:
    return " ".join(lines.split())
