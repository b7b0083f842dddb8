"""The two files of a report: the page, and the JSON that it is drawn from."""

from __future__ import annotations

import json
import re
from pathlib import Path

from yolact_deploy._version import __version__
from yolact_deploy.benchmarks.report.html.page import JSON_NAME, draw_page
from yolact_deploy.benchmarks.report.html.view import Json
from yolact_deploy.dependencies import require
from yolact_deploy.errors import OutputError
from yolact_deploy.files import check_output_path, make_output_folder, write_text

PAGE_NAME = "report.html"
_MAKER = "yolact-deploy"
_MARKS = {PAGE_NAME: f'content="{_MAKER} ', JSON_NAME: f'"made_by": "{_MAKER} '}  # by which a report is known
_MARK_BYTES = 1 << 12  # 4 KiB: how far from the start a mark stands at most


def check_report_folder(folder: Path) -> None:
    """Before long work: make sure that `write_report` can write into `folder`, which is created where it is missing.

    An earlier report in it is replaced; other files stay. Raises OutputError for a folder that cannot be written and
    for files of the report's names that are none of ours, MissingDependencyError without matplotlib or jinja2.
    """
    for package in ("matplotlib", "jinja2"):
        require(package, "--report")
    if folder.exists() and not folder.is_dir():
        raise OutputError(f"{folder} is a file: name a folder for the report")
    make_output_folder(folder)
    for name, mark in _MARKS.items():
        path = check_output_path(folder / name, force=True)
        if path.exists() and mark not in _beginning(path):
            raise OutputError(f"{path} exists and is not a report of {_MAKER}: name another folder")


def write_report(folder: Path, report: Json, command: str) -> Path:
    """Write the report into `folder`, and return the path of its page.

    report: what `report.to_json` gives; command: the command line that made it. Raises OutputError.
    """
    text = json_text({"made_by": f"{_MAKER} {__version__}", "command": command, **report})
    page = draw_page(json.loads(text))  # from what the file holds, and nothing else
    write_text(folder / JSON_NAME, text)
    write_text(folder / PAGE_NAME, page)
    return folder / PAGE_NAME


def json_text(value: Json) -> str:
    """Indented JSON with each list of numbers on one line."""
    text = json.dumps(value, indent=2, ensure_ascii=False) + "\n"
    # A line break inside brackets cannot be part of a string: there it is escaped.
    return re.sub(r"\[\n\s+(-?\d[^\[\]{}\"]*?)\n\s+\]", lambda found: f"[{_joined(found[1])}]", text)


def _joined(lines: str) -> str:
    return " ".join(lines.split())


def _beginning(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(_MARK_BYTES).decode("utf-8", "replace")
    except OSError as error:
        raise OutputError(f"cannot read {path}: {error.strerror or error}; name another folder") from None
