"""What reports say of errors, thresholds and hints; and the files that other programs read."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import pytest

from tests.benchmarks.report.judged import judgement
from tests.benchmarks.report.test_text import BAD, GOOD, model, report_of
from yolact_deploy.benchmarks.accuracy.average_precision import Accuracy
from yolact_deploy.benchmarks.options import BenchOptions
from yolact_deploy.benchmarks.report.html.page import draw_page
from yolact_deploy.benchmarks.report.json_report import to_json
from yolact_deploy.benchmarks.report.junit import to_junit
from yolact_deploy.benchmarks.report.model import BenchReport
from yolact_deploy.benchmarks.report.tables import all_tables
from yolact_deploy.benchmarks.report.targets import ReportTargets
from yolact_deploy.benchmarks.report.text import print_report, to_markdown
from yolact_deploy.benchmarks.report.threshold_file import chosen_thresholds
from yolact_deploy.errors import DataError, YolactDeployError


def judged_report(**options: object) -> BenchReport:
    report = report_of(model("net.onnx", judgement=judgement()), reference=None)
    return replace(report, options=replace(report.options, **options))


def test_tables_of_errors() -> None:
    tables = {table.key: table for table in all_tables(judged_report(at_precision=0.95))}
    assert tables["errors net.onnx"].rows[-1] == ("all classes", "3", "2", "0", "1", "1", "0", "0", "0", "0")
    assert tables["confusion net.onnx"].rows == (
        ("a", "1", "-", "-", "-"),
        ("b", "1", "1", "-", "-"),
        ("nothing", "-", "-", "1", "-"),
    )
    rows = {row[0]: row[1:] for row in tables["thresholds net.onnx"].rows}
    assert rows["a"] == ("1.000", "0.900", "100.0%", "100.0%", "0.900", "100.0%", "100.0%")
    assert "c" not in rows  # no object to tell by
    assert tables["costs"].rows[0][0] == "net.onnx"


def test_a_demand_that_is_not_met() -> None:
    item = judgement()
    lacking = tuple(replace(threshold, at_precision=None) for threshold in item.thresholds)
    report = judged_report(at_precision=0.99)
    report = replace(report, models=(replace(report.models[0], judgement=replace(item, thresholds=lacking)),))
    (table,) = (table for table in all_tables(report) if table.key.startswith("thresholds"))
    assert table.rows[0][5] == "not reached"
    assert chosen_thresholds(report) == ({}, ["A", "B", "C"])
    with pytest.raises(DataError, match="no class reaches"):
        ReportTargets(thresholds=Path("never.json")).write(report, "")


def test_hints_and_accuracy_are_said_everywhere(capsys: pytest.CaptureFixture[str]) -> None:
    report = judged_report()
    print_report(report)
    text = capsys.readouterr().out
    lines = text.strip().splitlines()
    assert "hint: class names: b is found as a: mixed up" in lines[-4]
    assert lines[-3].startswith(
        "net.onnx: box AP 50.00, mask AP 25.00, 2 of 3 objects found at score 0.3; look at: class"
    )
    assert lines[-2].startswith("parity: not judged")
    assert "AP by class" in text
    for said in (to_markdown(report), draw_page(report), json.dumps(to_json(report)), to_junit(report)):
        assert "b is found as a: mixed up" in said


def test_many_classes_stay_out_of_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    report = judged_report()
    accuracy = report.models[0].accuracy
    assert accuracy is not None
    many = replace(accuracy.box, per_class=tuple((f"class {index}", 0.5) for index in range(30)))
    report = replace(report, models=(replace(report.models[0], accuracy=Accuracy(many, many)),))
    print_report(report)
    text = capsys.readouterr().out
    assert "class 29" not in text
    assert "too large for a terminal, in --report, --markdown and --json: AP by class" in text
    assert "class 29" in to_markdown(report)


def test_json_of_errors() -> None:
    value = json.loads(json.dumps(to_json(judged_report()), allow_nan=False))["models"][0]["judgement"]
    assert value["errors"]["total"]["wrong_class"] == 1
    assert value["errors"]["per_class"]["a"]["objects"] == 1
    assert value["confusion"] == {
        "classes": ["a", "b", "c", "nothing"],
        "annotated_by_found": [[1, 0, 0, 0], [1, 1, 0, 0], [0, 0, 0, 0], [0, 0, 1, 0]],
    }
    curve = value["thresholds"]["a"]["curve"]
    assert curve == {"score": [0.9, 0.8], "precision": [1.0, 0.5], "recall": [1.0, 1.0], "f1": [1.0, 0.6667]}
    assert value["hints"] == [{"cause": "class names", "text": "b is found as a: mixed up"}]


def test_the_file_of_thresholds_goes_by_the_model_s_names(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ReportTargets(thresholds=tmp_path / "t.json").write(judged_report(), "")
    assert json.loads((tmp_path / "t.json").read_text()) == {"A": 0.9, "B": 0.7}
    assert "no threshold for C" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (BenchOptions((Path("a"), Path("b"))), "about one model"),
        (BenchOptions((Path("a"),), measures_accuracy=False), "leave out --no-accuracy"),
        (BenchOptions((Path("a"),), at_precision=0.9, at_recall=0.9), "not both"),
    ],
)
def test_thresholds_that_cannot_be_written(options: BenchOptions, words: str) -> None:
    with pytest.raises(YolactDeployError, match=words):
        ReportTargets(thresholds=Path("t.json")).check_demands(options)
    ReportTargets().check_demands(options)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"measures_speed": False, "measures_accuracy": False}, "leave nothing to measure"),
        ({"at_precision": 1.5}, "between 0 and 1"),
        ({"at_recall": float("nan")}, "between 0 and 1"),
        ({"iou": 0.0}, "more than 0"),
        ({"measures_speed": False, "streams": 2}, "about speed"),
        ({"measures_accuracy": False, "at_recall": 0.5}, "need annotations"),
    ],
)
def test_options_that_make_no_sense(options: dict[str, float], words: str) -> None:
    with pytest.raises(YolactDeployError, match=words):
        BenchOptions((Path("a"),), **options).check()  # type: ignore[arg-type]


def test_junit() -> None:
    root = ET.fromstring(to_junit(BAD))
    suites = {suite.get("name"): suite for suite in root}
    assert (suites["net.onnx"].get("tests"), suites["net.onnx"].get("failures")) == ("2", "1")
    (failure,) = suites["net.onnx"].iter("failure")
    assert "box AP differs by +0.500 points, allowed are 0.1" in str(failure.get("message"))
    assert suites["net.pth"].get("failures") == "0"
    assert not list(ET.fromstring(to_junit(GOOD)).iter("failure"))
    strange = report_of(model('a\x00<b>"\x1b[31m.onnx'), reference=None)
    assert ET.fromstring(to_junit(strange))[0].get("name")


def test_the_summary_of_a_github_step_is_added_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "summary"
    path.write_text("before\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(path))
    target = ReportTargets(markdown=str(path))
    target.check(())
    target.write(GOOD, "")
    text = path.read_text()
    assert text.startswith("before\n# yolact-deploy bench")
    path.write_text("x" * ((1 << 20) - 300))
    target.write(GOOD, "")
    assert path.stat().st_size <= 1 << 20
    assert path.read_text().endswith("The rest is too long for this summary.\n")


def test_without_speed_and_without_accuracy(capsys: pytest.CaptureFixture[str]) -> None:
    slow = replace(GOOD.models[0], timing=None, memory=None)
    alone = report_of(slow, reference=None)
    alone = replace(alone, options=replace(alone.options, measures_speed=False))
    blind = replace(GOOD.models[0], accuracy=None)
    fast = report_of(blind, reference=None)
    fast = replace(fast, options=replace(fast.options, measures_accuracy=False))
    for report, present, absent in ((alone, "box AP", "FPS"), (fast, "FPS", "box AP")):
        keys = [column.name for column in all_tables(report)[0].columns]
        assert present in keys
        assert absent not in keys
        print_report(report)
        assert set(present.split()) <= set(capsys.readouterr().out.split())
        assert '<h2 id="summary">' in draw_page(report)
        json.dumps(to_json(report), allow_nan=False)
        to_markdown(report)
