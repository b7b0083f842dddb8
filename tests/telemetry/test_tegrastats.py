"""The parsers of tegrastats and nvpmodel, on lines that these tools printed on nine kinds of Jetson."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import DATA
from yolact_deploy.telemetry.tegrastats import parse_power_mode, parse_tegrastats

LINES: list[dict[str, Any]] = json.loads((DATA / "telemetry/tegrastats.json").read_text())
MODES: list[dict[str, Any]] = json.loads((DATA / "telemetry/nvpmodel.json").read_text())


@pytest.mark.parametrize("recorded", LINES, ids=[recorded["device"] for recorded in LINES])
def test_recorded_lines(recorded: dict[str, Any]) -> None:
    line = parse_tegrastats(recorded["line"] + "\n")
    assert line.watts == (None if recorded["watts"] is None else pytest.approx(recorded["watts"]))
    assert list(line.power_rails) == recorded["rails"]
    assert line.celsius == recorded["celsius"]
    assert line.gpu_utilisation == (None if recorded["gpu_utilisation"] is None else recorded["gpu_utilisation"])
    assert line.gpu_mhz == recorded["gpu_mhz"]


def test_memory_is_no_power_and_a_sensor_that_is_off_no_temperature() -> None:
    for recorded in LINES:
        line = parse_tegrastats(recorded["line"])
        assert not {"RAM", "SWAP", "IRAM", "NC", "GR3D_FREQ"} & set(line.rails)
        assert all(-50 < value < 150 for value in line.temperatures.values())


def test_the_clock_is_that_of_the_fastest_cluster() -> None:
    assert parse_tegrastats("GR3D_FREQ 50%@[305,612]").gpu_mhz == 612


def test_every_rail_of_a_line() -> None:
    line = parse_tegrastats("VDD_IN 12479mW/9000mW VDD_CPU_GPU_CV 4667mW/4000mW/6000mW VDD_GPU -392mW VDD_SOC 2817/1")
    assert line.rails == {"VDD_IN": 12479, "VDD_CPU_GPU_CV": 4667, "VDD_GPU": -392, "VDD_SOC": 2817}


def test_a_group_of_rails_counts_only_when_it_is_complete() -> None:
    assert parse_tegrastats("VDD_GPU_SOC 3000mW/1mW VDD_CPU_CV 1000mW/1mW").watts is None
    assert parse_tegrastats("VDD_GPU_SOC 3000mW/1mW VDD_CPU_CV 1000mW/1mW VIN_SYS_5V0 500mW/1mW").watts == 4.5


@given(st.text())
def test_anything_else_says_nothing_or_something_but_never_fails(text: str) -> None:
    line = parse_tegrastats(text)
    assert line.watts is None or isinstance(line.watts, float)
    parse_power_mode(text)


def test_a_line_of_something_else() -> None:
    line = parse_tegrastats("tegrastats: command needs root\n")
    assert (line.rails, line.temperatures, line.gpu_utilisation, line.gpu_mhz) == ({}, {}, None, None)
    assert (line.watts, line.celsius) == (None, None)


@pytest.mark.parametrize("recorded", MODES, ids=[recorded["device"] for recorded in MODES])
def test_recorded_power_modes(recorded: dict[str, Any]) -> None:
    assert parse_power_mode(recorded["output"]) == recorded["mode"]
