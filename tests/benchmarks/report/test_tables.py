"""Numbers as tables write them, and the table of power and temperature."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.benchmarks.report.test_text import BOX, model, report_of
from tests.benchmarks.report.watching import telemetry
from yolact_deploy.benchmarks.accuracy.average_precision import Accuracy
from yolact_deploy.benchmarks.report.class_table import class_table
from yolact_deploy.benchmarks.report.speed_tables import power_table
from yolact_deploy.benchmarks.report.table import fixed, number, span
from yolact_deploy.benchmarks.report.wording import alarms, definitions


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0.00"),
        (0.0427, "0.0427"),
        (0.043, "0.0430"),
        (0.00012345, "0.000123"),
        (1e-9, "0.000000"),
        (9.999, "10.0"),
        (99.96, "100"),
        (123.4, "123"),
        (123456.7, "123457"),
        (-5.5, "-5.50"),
        (None, "-"),
        (float("nan"), "-"),
        (float("inf"), "-"),
    ],
)
def test_numbers_have_three_significant_digits(value: float | None, text: str) -> None:
    assert number(value) == text


def test_signs() -> None:
    assert fixed(-0.0004, 3, sign=True) == "+0.000"
    assert fixed(-0.5, 1, sign=True) == "-0.5"
    assert (span(55.2, 55.4, 0), span(1.0, 2.0)) == ("55", "1.00-2.00")


def test_a_row_for_each_source_of_telemetry() -> None:
    report = report_of(
        model("a.engine", telemetry=telemetry()),
        model("silent.onnx"),
        model("b.engine", telemetry=telemetry(watts=None, throttling=("power limit",))),
    )
    assert power_table(report).rows == (
        ("a.engine", "H200", "120", "71.2", "6.00", "0.167", "55-61", "1500-1755 of 1980", "no"),
        ("", "CPU", "-", "-", "-", "-", "-", "2900", "-"),
        ("b.engine", "H200", "-", "71.2", "-", "-", "55-61", "1500-1755 of 1980", "YES"),
        ("", "CPU", "-", "-", "-", "-", "-", "2900", "-"),
    )
    assert alarms(report) == [
        "b.engine ran throttled (power limit, in 100% of the readings): its times are not typical"
    ]
    lines = [line for line in definitions(report) if "read by" in line]
    assert lines[0] == (
        "NVIDIA H200: read by NVML, power of the GPU's board, 71.2 W when idle, energy from power over time, "
        "idle power included"
    )
    assert sum("CPU: read by psutil" in line for line in lines) == 1


def test_classes_come_worst_first() -> None:
    def accuracy(*values: float) -> Accuracy:
        kind = replace(BOX, per_class=tuple(zip("abcd", values, strict=True)))
        return Accuracy(kind, kind)

    reference = model("net.pth", True, accuracy=accuracy(0.5, 0.6, 0.7, -1.0))
    other = model("net.onnx", accuracy=accuracy(0.5, 0.3, 0.8, -1.0))
    rows = class_table(report_of(reference, other)).rows
    assert [row[0] for row in rows] == ["b", "c", "a", "d"]
    assert rows[0] == ("b", "30.00", "60.00", "60.00", "30.00 (-30.00)", "30.00 (-30.00)")
    assert rows[-1] == ("d", "-", "-", "-", "-", "-")
    alone = class_table(report_of(replace(other, is_reference=False), reference=None)).rows
    assert [row[0] for row in alone] == ["b", "a", "c", "d"]  # the lowest AP first
