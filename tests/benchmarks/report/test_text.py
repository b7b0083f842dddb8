"""Reports: what they say, that they fit, and that JSON keeps its keys."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.benchmarks.conftest import result
from tests.benchmarks.report.watching import telemetry
from yolact_deploy import console
from yolact_deploy.artifacts.tolerances import GATES
from yolact_deploy.benchmarks.accuracy.average_precision import Accuracy, AveragePrecision
from yolact_deploy.benchmarks.accuracy.parity import Matches, Parity, judge
from yolact_deploy.benchmarks.hardware import Hardware
from yolact_deploy.benchmarks.options import BenchOptions
from yolact_deploy.benchmarks.performance.device_times import DeviceTimes
from yolact_deploy.benchmarks.performance.load import Arrivals, Throughput
from yolact_deploy.benchmarks.performance.memory import MemoryUse
from yolact_deploy.benchmarks.performance.pipeline_stages import STAGES, Timing
from yolact_deploy.benchmarks.performance.timing import Latency
from yolact_deploy.benchmarks.regression.comparison import Change, Comparison, ModelChanges
from yolact_deploy.benchmarks.report.cells import ap_text
from yolact_deploy.benchmarks.report.html.page import draw_page
from yolact_deploy.benchmarks.report.json_report import to_json
from yolact_deploy.benchmarks.report.model import BenchReport, DetectionCounts, ModelReport
from yolact_deploy.benchmarks.report.table import Table
from yolact_deploy.benchmarks.report.tables import all_tables
from yolact_deploy.benchmarks.report.text import print_report, to_markdown
from yolact_deploy.benchmarks.report.wording import alarms, failures, summary

THROUGHPUT = Throughput(streams=1, threads=None, fps=48.0, rounds=(47.0, 49.0), latency=None)
BOX = AveragePrecision(0.5, 0.75, 0.4321, 0.1, 0.2, -1.0, (("disk", 0.6), ("a|b", -1.0)))
LATENCY = Latency(
    p50=20.0,
    p90=25.0,
    p95=30.0,
    p99=123.4,
    min=18.0,
    max=130.0,
    mean=21.0,
    iterations=50,
    samples=(20.0, 18.0, 130.123456),
    started=(0.0, 0.02, 0.0380001),
    rounds=(20.0, 20.5),
)


def model(name: str, is_reference: bool = False, **changes: Any) -> ModelReport:
    made = ModelReport(
        name=name,
        path=Path("models") / name,
        is_reference=is_reference,
        description="ONNX Runtime 1.2.3, CPU",
        config_name="yolact_nano",
        precision="fp32",
        input_kind="image",
        file_bytes=1234,
        accuracy=Accuracy(BOX, replace(BOX, ap=0.25)),
        detections=DetectionCounts.of([result(1, [[0, 0, 9, 9]] * 3, [0.9, 0.2, 0.1], [0, 0, 0]), result(2)]),
        timing=Timing(1, LATENCY, dict.fromkeys(STAGES, LATENCY), "in parts", throughput=THROUGHPUT),
        memory=MemoryUse(300 << 20, "VmHWM", False, 3),
        parity=None,
        verdict=None,
        notes=(),
    )
    return replace(made, **changes)


def judged(name: str, box_difference: float, matched: int) -> ModelReport:
    parity = Parity(box_difference, 0.0, Matches(matched, 1000, 0.9876))
    return model(name, parity=parity, verdict=judge(parity, GATES["fp32"]))


def report_of(*models: ModelReport, reference: str | None = "net.pth") -> BenchReport:
    hardware = Hardware("Some CPU", 8, 16 << 30, None, "Linux", {"Python": "3.11"}, "0.1.0", "2026-01-01T00:00:00")
    options = BenchOptions(models=tuple(item.path for item in models), threads=2)
    return BenchReport(models, reference, "nano: 2 images", Path("data"), hardware, options, ())


GOOD = report_of(model("net.pth", True), judged("net.onnx", 0.01, 999))
BAD = report_of(model("net.pth", True), judged("net.onnx", 0.5, 800))
NOTHING = replace(GOOD.models[1], detections=DetectionCounts(2, 0, 0, 2))


def tables_of(report: BenchReport) -> dict[str, Table]:
    return {table.key: table for table in all_tables(report)}


def test_tables_hold_the_numbers() -> None:
    tables = tables_of(GOOD)
    assert list(tables) == ["summary", "latency", "throughput", "stages", "accuracy", "classes", "detections", "parity"]
    for table in tables.values():
        assert all(len(row) == len(table.columns) for row in table.rows)
    found = ("1.50", "50.00", "25.00", "99.90%", "pass", "300", "0.00118")
    assert tables["summary"].rows[1] == ("net.onnx", "50.0", "20.0", *found)
    assert tables["summary"].rows[0][6:8] == ("-", "reference")
    times = ("18.0", "20.0", "25.0", "30.0", "123", "130", "21.0")
    assert tables["latency"].rows[1] == ("net.onnx", *times, "50", "20.0-20.5")
    assert tables["throughput"].rows[1] == ("net.onnx", "1", "default", "48.0", "47.0-49.0")
    assert tables["stages"].rows[0] == ("net.pth", *["20.0"] * 4, "50.0")
    assert tables["accuracy"].rows[0] == ("net.pth", "box", "50.00", "75.00", "43.21", "10.00", "20.00", "-")
    assert tables["accuracy"].rows[1] == ("", "mask", "25.00", "75.00", "43.21", "10.00", "20.00", "-")
    assert tables["detections"].rows[0] == ("net.pth", "1.50", "1.00", "1 of 2")
    assert tables["parity"].rows == (("net.onnx", "fp32", "+0.010", "+0.000", "99.90%", "0.9876", "pass"),)


def test_what_was_not_measured_is_a_dash() -> None:
    bare = model("net.onnx", timing=Timing(1, LATENCY, None, "in one piece"), memory=None)
    tables = tables_of(report_of(bare, reference=None))
    assert tables["summary"].rows[0][-4:-1] == ("-", "-", "-")
    assert tables["stages"].rows[0] == ("net.onnx", *["-"] * 5)
    assert "throughput" not in tables
    assert ap_text(-1.0) == "-"


@pytest.mark.parametrize("failed", [False, True])
def test_nothing_to_compare_is_not_judged_everywhere(failed: bool, capsys: pytest.CaptureFixture[str]) -> None:
    """Whichever way there is nothing: no object counts for AP, or neither model detects anything."""
    for parity in (
        Parity(None, None, Matches(900 if failed else 1000, 1000, 1.0)),
        Parity(0.0, 0.0, Matches(0, 0, None)),
    ):
        unknown = model("net.onnx", parity=parity, verdict=judge(parity, GATES["fp32"]))
        report = report_of(model("net.pth", True), unknown)
        word = "FAIL" if failed and parity.box_difference is None else "not judged"
        assert not report.passed
        assert report.parity == word
        assert tables_of(report)["parity"].rows[0][-1] == word
        assert failures(report)[0].startswith(f"parity: {word}")
        value = to_json(report)
        assert (value["passed"], value["parity"]) == (False, word)
        assert (value["models"][1]["verdict"]["passed"], value["models"][1]["verdict"]["word"]) == (False, word)
        page = draw_page(report)
        assert f"<strong>{word}</strong>" in page
        assert "parity: pass" not in page + to_markdown(report)
        assert f"**parity: {word}" in to_markdown(report)
        print_report(report)
        assert f"parity: {word}" in capsys.readouterr().out


def test_a_reference_alone_is_no_pass(capsys: pytest.CaptureFixture[str]) -> None:
    report = report_of(model("net.pth", True))
    assert report.parity == "not judged"
    assert report.passed  # no gate was asked for
    print_report(report)
    assert "parity: not judged" in capsys.readouterr().out


def test_fps_counts_the_images_of_a_batch() -> None:
    batch = model("net.onnx", timing=Timing(4, LATENCY, dict.fromkeys(STAGES, LATENCY), "in parts"))
    report = report_of(batch)
    assert tables_of(report)["summary"].rows[0][1] == "200"
    assert to_json(report)["models"][0]["timing"]["end_to_end_fps"] == pytest.approx(200)
    assert "takes 4 images per call" in to_markdown(report)


def everything(name: str) -> BenchReport:
    """All tables there are, with large numbers and models of these names."""
    device = DeviceTimes(*[replace(LATENCY, p50=1234.5)] * 4)
    full = replace(loaded_report(name, 100).models[0].timing, stages=dict.fromkeys(STAGES, LATENCY), device=device)
    watched = telemetry(throttling=("power limit",))
    changes = (
        Change("throughput", "images/s", 12345.6, 1234.5, -0.9, 0.2, "slower"),
        Change("detections", "per image", 100.0, 100.0, 0.0, 0.01, "no change"),
    )
    comparison = Comparison("old.json", "2026-01-01T00:00:00", (ModelChanges(name, changes, ()),), (), (), ())
    other = replace(judged(name + "2", 0.5, 999), timing=full, telemetry=watched)
    made = report_of(model(name, True, timing=full, telemetry=watched), other, reference=name)
    options = replace(made.options, target_fps=30.0, streams=3)
    return replace(made, options=options, comparison=comparison)


@pytest.mark.parametrize("name", ["net", "yolact_base_54_800000.pth", "yolact " + "and_on_" * 30 + ".onnx"])
def test_tables_fit_80_columns_and_break_no_word(
    name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    report = everything(name)
    print_report(report)
    text = capsys.readouterr().out
    drawn = text[: text.index("data: ")]
    names = {f"{mark} = {model.name}" for mark, model in zip("AB", report.models, strict=True)}
    titles = {table.title for table in all_tables(report)}
    lines = [line for line in drawn.splitlines() if line not in names | titles]
    assert max(map(len, lines)) <= 80
    assert len(titles) == 12
    shown = set(drawn.split())
    for table in all_tables(report):
        for cell in (cell for row in table.rows for cell in row):
            assert cell in (model.name for model in report.models) or shown >= set(cell.split()), cell
        assert shown >= {word for column in table.columns for word in f"{column.name} {column.unit}".split()}


def test_the_terminal_ends_with_the_verdict_and_where_to_look(capsys: pytest.CaptureFixture[str]) -> None:
    print_report(GOOD, ["out/report.html"])
    text = capsys.readouterr().out
    *_, verdict, where = text.strip().splitlines()
    assert verdict == "parity: pass (1 compared with net.pth)"
    assert "out/report.html" in where
    for words in ("Some CPU, 8 cores, 16.0 GiB; no NVIDIA GPU", "ONNX Runtime 1.2.3, CPU, fp32, input image"):
        assert words in text
    assert "uint8 image on the host" not in text
    print_report(GOOD)
    assert "-v" in capsys.readouterr().out.strip().splitlines()[-1]


def test_definitions_are_for_v_markdown_and_html(capsys: pytest.CaptureFixture[str]) -> None:
    token = console.VERBOSE.set(True)
    try:
        print_report(GOOD)
    finally:
        console.VERBOSE.reset(token)
    for text in (capsys.readouterr().out, to_markdown(GOOD), draw_page(GOOD)):
        for words in (
            "boxes, scores, classes and boolean masks at image size",
            "50 calls end to end in 2 rounds",
            "in parts",
        ):
            assert words in text


def loaded_report(name: str, count: int = 1) -> BenchReport:
    """Three callers, and frames that arrive; `count` times as many."""
    timing = Timing(
        1,
        LATENCY,
        None,
        "",
        throughput=Throughput(3, 2, 70.0 * count, (69.0, 71.0), LATENCY),
        arrivals=Arrivals(30.0, 90 * count, 7 * count, 4 * count, 28.5, LATENCY),
    )
    report = report_of(model(name, timing=timing), reference=None)
    return replace(report, options=replace(report.options, target_fps=30.0, streams=3))


def test_load_has_tables_of_its_own() -> None:
    loaded = loaded_report("net.onnx")
    tables = tables_of(loaded)
    (row,) = tables["throughput"].rows
    assert row == ("net.onnx", "3", "2", "70.0", "69.0-71.0", "1.50", "20.0", "25.0", "30.0", "123", "130")
    (row,) = tables["arrivals"].rows
    assert row == ("net.onnx", "28.5", "1.50", "20.0", "30.0", "123", "130", "90", "7", "4")
    assert "30 FPS" in tables["arrivals"].title
    text = to_markdown(loaded)
    assert "each with its own model instance" in text
    assert "latency is counted from a frame's arrival" in text


def test_failures_are_said_with_both_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    print_report(BAD)
    text = capsys.readouterr().out
    assert "net.onnx: box AP differs by +0.500 points, allowed are 0.1" in text
    assert "net.onnx: 80.00% of the detections match, required are 99.50%" in text
    assert "parity: FAIL (net.onnx)" in text
    assert summary(BAD) == "parity: FAIL (net.onnx)"
    assert not BAD.passed


def test_finding_nothing_is_said_loudly(capsys: pytest.CaptureFixture[str]) -> None:
    report = report_of(GOOD.models[0], NOTHING)
    line = "net.onnx DETECTS NOTHING on all 2 images: its speed and parity mean nothing"
    assert alarms(report) == [line]
    print_report(report)
    text = capsys.readouterr().out
    assert line in text
    assert "NONE" in text
    assert f"**{line}**" in to_markdown(report)
    assert line in to_json(report)["notes"]


def test_json_has_stable_keys_and_plain_values() -> None:
    value = json.loads(json.dumps(to_json(GOOD), allow_nan=False))
    assert list(value) == [
        "made_by",
        "format",
        "passed",
        "parity",
        "reference",
        "data",
        "hardware",
        "busy_cores",
        "options",
        "measured_regions",
        "models",
        "comparison",
        "notes",
    ]
    assert value["format"] == 4
    exported = value["models"][1]
    assert exported["path"] == "models/net.onnx"
    assert exported["accuracy"]["box"]["ap"] == 0.5
    assert exported["accuracy"]["box"]["large"] is None
    assert exported["accuracy"]["box"]["per_class"] == {"disk": 0.6, "a|b": None}
    assert exported["detections"]["per_image"] == 1.5
    assert exported["timing"]["end_to_end"]["p99"] == 123.4
    assert exported["timing"]["end_to_end"]["samples"] == [20.0, 18.0, 130.1235]
    assert exported["timing"]["end_to_end"]["started"] == [0.0, 0.02, 0.038]
    assert exported["timing"]["network_fps"] == pytest.approx(50)
    assert exported["parity"]["matches"]["rate"] == 0.999
    assert exported["verdict"]["passed"] is True
    assert value["models"][0]["verdict"] is None


def test_markdown_has_every_table_and_class() -> None:
    text = to_markdown(GOOD)
    for table in all_tables(GOOD):
        assert f"## {table.title}\n\n| {table.columns[0].name} | " in text
    assert "| disk | 0.00 | 60.00 | 60.00 | 60.00 (+0.00) | 60.00 (+0.00) |" in text
    assert "| a\\|b | - | - | - | - | - |" in text
    lines = text.split("## AP by class")[1].split("\n\n")[1].splitlines()
    assert {line.replace("\\|", "").count("|") for line in lines} == {7}


def test_markdown_of_names_is_text() -> None:
    report = report_of(model("[a](b) <b>*x*</b>|`c`\n# d.onnx"), reference=None)
    text = to_markdown(report)
    assert "\\[a\\](b) \\<b\\>\\*x\\*\\</b\\>\\|\\`c\\` # d.onnx" in text
    assert "<b>" not in text
    assert "\n# d" not in text
