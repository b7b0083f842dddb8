"""The report's folder, its two files, and the command that makes them."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.benchmarks.report.html.conftest import bench_report
from tests.conftest import NANO_WEIGHTS
from tests.running import Captured, fails, succeeds
from yolact_deploy.benchmarks import bench
from yolact_deploy.benchmarks.report.html.page import draw_page
from yolact_deploy.benchmarks.report.html.write import check_report_folder, json_text, write_report
from yolact_deploy.benchmarks.report.json_report import to_json
from yolact_deploy.errors import OutputError

QUICK = ("--limit", "2", "--threads", "1", "--device", "cpu", "--iterations", "6", "--warmup", "0")


def test_the_page_and_all_its_numbers(tmp_path: Path) -> None:
    folder = tmp_path / "new/report"
    check_report_folder(folder)
    page = write_report(folder, bench_report(), "yolact-deploy bench net.pth")
    expected = {"command": "yolact-deploy bench net.pth", **to_json(bench_report())}
    assert sorted(path.name for path in folder.iterdir()) == ["report.html", "report.json"]
    report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    assert report == json.loads(json.dumps(expected))
    assert page.read_text(encoding="utf-8") == draw_page(bench_report(), "yolact-deploy bench net.pth")


def test_an_earlier_report_is_replaced_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    for command in ("first", "second"):
        check_report_folder(tmp_path)
        page = write_report(tmp_path, bench_report(1), command)
    assert "second" in page.read_text(encoding="utf-8")
    assert (tmp_path / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize("name", ["report.html", "report.json"])
def test_files_of_others_are_not_replaced(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("{}")
    with pytest.raises(OutputError, match=f"{name} exists and is not a report of yolact-deploy: pass --force"):
        check_report_folder(tmp_path)
    assert tmp_path / name in check_report_folder(tmp_path, force=True)


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="is a file: name a folder"):
        check_report_folder(tmp_path / "file")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(OutputError, match="cannot write into"):
        check_report_folder(tmp_path)


def test_lists_of_numbers_take_one_line() -> None:
    value = {"a": [1, -2.5, 3e-7], "b": ["1", "2"], "c": [[1], []], "d": "[\n 1,\n 2\n]", "e": [1, None]}
    text = json_text(value)
    assert json.loads(text) == value
    assert '"a": [1, -2.5, 3e-07],' in text


def test_the_command_writes_both_files(capsys: Captured, nano_onnx: Path, tmp_path: Path) -> None:
    folder = tmp_path / "report"
    said = succeeds(capsys, "bench", nano_onnx, "--reference", NANO_WEIGHTS, "--report", folder, *QUICK)
    assert str(folder / "report.html") in said.strip().splitlines()[-1]
    report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    assert report["command"].startswith(f"yolact-deploy bench {nano_onnx} --reference {NANO_WEIGHTS} --report")
    exported = report["models"][1]
    assert len(exported["timing"]["end_to_end"]["samples"]) == exported["timing"]["end_to_end"]["iterations"]
    assert len(exported["accuracy"]["mask"]["curves"]["ap50"]) == 101
    assert exported["differences"] is not None
    assert report["models"][0]["differences"] is None
    assert "</html>" in (folder / "report.html").read_text(encoding="utf-8")


def test_the_folder_is_checked_before_anything_is_measured(
    capsys: Captured, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bench, "run_bench", lambda *arguments: pytest.fail("it has begun"))
    (tmp_path / "report.html").write_text("a page of somebody else")
    assert "report.html exists" in fails(capsys, "bench", NANO_WEIGHTS, "--report", tmp_path)
