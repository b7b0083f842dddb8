"""Telemetry in a report's words."""

from __future__ import annotations

import pytest

from yolact_deploy.telemetry import Reading, Telemetry
from yolact_deploy.telemetry.reading import SourceFacts
from yolact_deploy.telemetry.summary import Span, summarise
from yolact_deploy.telemetry.words import COLUMNS, alarms, explanations, rows


def telemetry(**reading: object) -> Telemetry:
    """A GPU watched for two seconds while 40 images went through, and a processor that tells its clock only."""
    values = {"watts": 120.0, "joules": None, "celsius": 55.0, "mhz": 1500.0, "throttling": (), **reading}
    last = {**values, "celsius": 61.0, "mhz": 1755.0}
    span = Span(0.0, 2.0, (Reading(0.0, **values), Reading(2.0, **last)))  # type: ignore[arg-type]
    gpu = SourceFacts("NVIDIA H200", "NVML", True, "the GPU's board", 1980.0)
    cpu = Span(0.0, 2.0, (Reading(0.0, mhz=2900.0),))
    return Telemetry(40, (summarise(gpu, [span], 40, 71.25), summarise(SourceFacts("CPU", "/sys"), [cpu], 40, None)))


def test_a_row_for_each_source() -> None:
    table = rows([("a.engine", telemetry()), ("silent.onnx", None), ("b.engine", telemetry(watts=None))])
    assert table == (
        ("a.engine", "H200", "120", "6.00", "0.167", "55-61", "1500-1755 of 1980", "no"),
        ("", "CPU", "-", "-", "-", "-", "2900", "-"),
        ("b.engine", "H200", "-", "-", "-", "55-61", "1500-1755 of 1980", "no"),
        ("", "CPU", "-", "-", "-", "-", "2900", "-"),
    )
    assert {len(row) for row in table} == {len(COLUMNS)}
    assert rows([("silent.onnx", None)]) == ()


def test_a_row_fits_the_terminal() -> None:
    widths = [max(len(row[column]) for row in (COLUMNS, *rows([("a" * 20, telemetry())]))) for column in range(8)]
    assert sum(widths) + 2 * 7 <= 100


@pytest.mark.parametrize(
    ("watts", "text"),
    [(0.0, "0.00"), (0.01234, "0.0123"), (9.999, "10.0"), (99.6, "99.6"), (123.4, "123"), (700, "700")],
)
def test_numbers_have_three_digits(watts: float, text: str) -> None:
    assert rows([("m", telemetry(watts=watts))])[0][2] == text


def test_throttling_is_an_alarm() -> None:
    models = [("cool", telemetry()), ("hot", telemetry(throttling=("power limit",))), ("silent", None)]
    assert alarms(models) == [
        "hot ran throttled (power limit, in 100% of the readings): its times are not typical",
    ]
    assert [row[-1] for row in rows(models)] == ["no", "-", "YES", "-"]


def test_each_explanation_once() -> None:
    lines = explanations([("a", telemetry()), ("b", telemetry()), ("c", None)])
    assert lines == [
        "NVIDIA H200: told by NVML, power is of the GPU's board, 71.2 W when idle, energy by power over time, "
        "idle power included",
        "CPU: told by /sys",
    ]
