"""Reports: what they say, that they fit, and that JSON keeps its keys."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.benchmarks.conftest import result
from yolact_deploy.benchmarks.accuracy.average_precision import Accuracy, AveragePrecision
from yolact_deploy.benchmarks.accuracy.parity import Matches, Parity, judge
from yolact_deploy.benchmarks.bench import BenchOptions, BenchReport, DetectionCounts, ModelReport
from yolact_deploy.benchmarks.hardware import Hardware
from yolact_deploy.benchmarks.performance.load import Arrivals, Throughput
from yolact_deploy.benchmarks.performance.memory import MemoryUse
from yolact_deploy.benchmarks.performance.pipeline_stages import STAGES, Timing
from yolact_deploy.benchmarks.performance.timing import Latency
from yolact_deploy.benchmarks.report.tables import all_tables, ap_text
from yolact_deploy.benchmarks.report.text import alarms, print_report, summary, to_json, to_markdown
from yolact_deploy.tolerances import GATES

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


def test_tables_hold_the_numbers() -> None:
    tables = {table.title.partition(",")[0]: table for table in all_tables(GOOD)}
    assert list(tables) == ["Speed", "Latency end to end", "Stages", "Accuracy", "Detections", "Parity with net.pth"]
    for table in tables.values():
        assert all(len(row) == len(table.columns) for row in table.rows)
    assert tables["Speed"].rows[1] == ("net.onnx", "50.0", "1.5", "48.0", "20.00", "123", "50.0", "20.00", "300")
    assert tables["Latency end to end"].rows[1] == (
        "net.onnx",
        "18.00",
        "20.00",
        "25.00",
        "30.00",
        "123",
        "130",
        "21.00",
        "50",
    )
    assert tables["Stages"].rows[0] == ("net.pth", *["20.00"] * 4)
    assert tables["Accuracy"].rows[0] == ("net.pth", "box", "50.00", "75.00", "43.21", "10.00", "20.00", "-")
    assert tables["Accuracy"].rows[1] == ("", "mask", "25.00", "75.00", "43.21", "10.00", "20.00", "-")
    assert tables["Detections"].rows[0] == ("net.pth", "1.5", "1.0", "1 of 2")
    assert tables["Parity with net.pth"].rows == (("net.onnx", "fp32", "+0.010", "+0.000", "99.90%", "0.9876", "pass"),)


def test_what_was_not_measured_is_a_dash() -> None:
    bare = model("net.onnx", timing=Timing(1, LATENCY, None, "in one piece"), memory=None)
    speed, _, stages, *_ = all_tables(report_of(bare, reference=None))
    assert speed.rows[0] == ("net.onnx", "50.0", "1.5", "-", "20.00", "123", "-", "-", "-")
    assert stages.rows[0] == ("net.onnx", "-", "-", "-", "-")
    assert ap_text(-1.0) == "-"
    empty = Parity(None, None, Matches(0, 0, None))
    unknown = model("net.onnx", parity=empty, verdict=judge(empty, GATES["fp32"]))
    assert all_tables(report_of(model("net.pth", True), unknown))[-1].rows[0][2:] == ("-", "-", "100.00%", "-", "pass")


def test_fps_counts_the_images_of_a_batch() -> None:
    batch = model("net.onnx", timing=Timing(4, LATENCY, dict.fromkeys(STAGES, LATENCY), "in parts"))
    report = report_of(batch)
    assert all_tables(report)[0].rows[0][1] == "200.0"
    assert to_json(report)["models"][0]["timing"]["end_to_end_fps"] == pytest.approx(200)
    assert "takes 4 images a call: latencies are of a call, FPS of images" in to_markdown(report)


def test_the_terminal_shows_everything_within_100_columns(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    long_name = report_of(model("yolact_base_54_800000.pth", True), judged("yolact_base_54_800000.onnx", 0.0, 1000))
    print_report(long_name)
    text = capsys.readouterr().out
    tables = text[: text.index("data: ")]
    assert max(map(len, tables.splitlines())) <= 100
    for words in (
        "yolact_base_54_800000.onnx",
        "uint8 image on the host -> boxes, scores, classes and boolean masks at image size",
        "Some CPU, 8 cores, 16.0 GiB; no NVIDIA GPU",
        "ONNX Runtime 1.2.3, CPU, fp32, input image",
        "50 calls end to end in 2 rounds that go from model to model, after 5 to warm up",
        "in parts",
        "parity: pass (1 compared with net.pth)",
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


def test_tables_of_load_fit_100_columns_too(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    print_report(loaded_report("yolact_base_54_800000.onnx", count=100))
    text = capsys.readouterr().out
    assert "9000" in text
    assert max(map(len, text[: text.index("data: ")].splitlines())) <= 100


def test_load_has_tables_of_its_own() -> None:
    loaded = loaded_report("net.onnx")
    tables = {table.title.partition(",")[0]: table for table in all_tables(loaded)}
    (row,) = tables["Several callers at the same time"].rows
    assert row == ("net.onnx", "3 x 2", "70.0", "1.5", "20.00", "25.00", "30.00", "123", "130")
    (row,) = tables["Frames that arrive at 30 FPS"].rows
    assert row == ("net.onnx", "28.5", "1.5", "20.00", "30.00", "123", "130", "90", "7", "4")
    text = to_markdown(loaded)
    assert "each caller has the model opened for itself, with 2 CPU threads" in text
    assert "latency is counted from a frame's arrival" in text
    assert "back to back, of all callers; found" in text


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
        "format",
        "passed",
        "reference",
        "data",
        "hardware",
        "options",
        "measured_regions",
        "models",
        "comparison",
        "notes",
    ]
    assert value["format"] == 2
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


def test_markdown_has_every_table_and_class(tmp_path: Path) -> None:
    text = to_markdown(GOOD)
    for title in (
        "Speed, end to end and bare network: ms, peak MiB",
        "Stages, median ms",
        "Accuracy, COCO AP",
        "Detections",
        "AP by class",
    ):
        assert f"## {title}\n\n| " in text
    assert "| disk | 60.00 | 60.00 | 60.00 | 60.00 |" in text
    assert "| a\\|b | - | - | - | - |" in text
    widths = [
        line.replace("\\|", "").count("|") for line in text.split("## AP by class")[1].split("\n\n")[1].splitlines()
    ]
    assert set(widths) == {6}
