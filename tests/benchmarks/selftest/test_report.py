"""The self-test's two files."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from yolact_deploy.benchmarks.kernels.timing import KernelTime
from yolact_deploy.benchmarks.selftest import report
from yolact_deploy.benchmarks.selftest.check import Check
from yolact_deploy.benchmarks.selftest.goals import Goal
from yolact_deploy.benchmarks.selftest.run import Options, SelfTest, run_selftest
from yolact_deploy.errors import OutputError

TIME = KernelTime("masks, fp16", 12.34, {"filter": 5.0, "finish": 7.0}, None, 3.8, 312.0, 0.156, None)
CHECKS = (
    Check("one <b>", "failed", "a & b", 1.23, {}),
    Check("two", "skipped", "no GPU", 0.0, {}),
    Check("time", "passed", "fine", 2.0, {"times": [asdict(TIME)]}),
)


@pytest.fixture(scope="module")
def result() -> SelfTest:
    goals = (Goal("masks, fp16", "15 µs at most", "12.3 µs", True), Goal("other", "1 µs at most", "2 µs", False))
    return replace(run_selftest(Options(), planned=()), checks=CHECKS, goals=goals)


class Texts(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def test_both_files_say_all(result: SelfTest, tmp_path: Path) -> None:
    folder = tmp_path / "new" / "selftest"
    report.check_folder(folder)
    data, page = report.write(folder, result, "yolact-deploy selftest --model <a>")
    values = json.loads(data.read_text())
    assert values["summary"] == {"passed": 1, "failed": 1, "skipped": 1}
    assert [check["status"] for check in values["checks"]] == ["failed", "skipped", "passed"]
    assert values["checks"][2]["figures"]["times"][0]["gb_per_s"] == 312.0
    assert [goal["met"] for goal in values["goals"]] == [True, False]
    assert values["hardware"]["cpu"]
    parser = Texts()
    parser.feed(page.read_text())
    for text in ("one <b>", "a & b", "no GPU", "12.3", "filter 5.0, finish 7.0", "16%", "met", "not met"):
        assert text in parser.texts
    assert "yolact-deploy selftest --model <a>" in parser.texts
    assert "<script" not in page.read_text()
    assert "http:" not in page.read_text().replace("http-equiv", "").partition("<h2>Machine")[0]


def test_only_files_of_an_earlier_self_test_are_replaced(result: SelfTest, tmp_path: Path) -> None:
    report.check_folder(tmp_path)
    report.write(tmp_path, result, "first")
    report.check_folder(tmp_path)
    (tmp_path / "notes.txt").write_text("mine")
    data, _ = report.write(tmp_path, result, "second")
    assert json.loads(data.read_text())["command"] == "second"
    assert (tmp_path / "notes.txt").read_text() == "mine"
    for name in (report.JSON_NAME, report.PAGE_NAME):
        folder = tmp_path / name.replace(".", "-")
        folder.mkdir()
        (folder / name).write_text("somebody's")
        with pytest.raises(OutputError, match="is not a report of yolact-deploy"):
            report.check_folder(folder)
        assert (folder / name).read_text() == "somebody's"
    with pytest.raises(OutputError, match="is a file"):
        report.check_folder(tmp_path / "notes.txt")
