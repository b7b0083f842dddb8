"""A Jetson's source against a script that prints recorded lines, and a made-up /sys."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import DATA
from yolact_deploy.telemetry import jetson, sources
from yolact_deploy.telemetry.jetson import JetsonFiles, TegrastatsSource, open_jetson, throttling_of
from yolact_deploy.telemetry.tegrastats import parse_tegrastats

RECORDED = {line["device"]: line["line"] for line in json.loads((DATA / "telemetry/tegrastats.json").read_text())}
ORIN_NANO = RECORDED["Jetson Orin Nano, JetPack 6, at full load"]
UNPRIVILEGED = RECORDED["Jetson AGX Orin, JetPack 6.2.1, not as root: no GPU clock"]
POWERLESS = RECORDED["Jetson AGX Orin, JetPack 5.0, not as root: no power"]

NOT_UNDERSTOOD = "tegrastats runs, but prints nothing that this version understands"


def tool(folder: Path, name: str, body: str) -> Path:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return path


def tegrastats(folder: Path, line: str, rest: str = "while :; do sleep 0.05; done") -> Path:
    return tool(folder, "tegrastats", f"echo '{line}'\n{rest}")


def sysfs(folder: Path, **numbers: object) -> Path:
    """A /sys with the files of an Orin: GPU clock, thermal zones, over-current counters."""
    files = {
        "class/devfreq/17000000.gpu/cur_freq": "1020000000",
        "class/devfreq/17000000.gpu/max_freq": "1020000000",
        "class/devfreq/2c60000.external-memory-controller/cur_freq": "3199000000",
        "class/thermal/thermal_zone0/type": "cpu-thermal",
        "class/thermal/thermal_zone0/trip_point_0_type": "critical",
        "class/thermal/thermal_zone0/trip_point_0_temp": "104500",
        "class/thermal/thermal_zone0/trip_point_1_type": "passive",
        "class/thermal/thermal_zone0/trip_point_1_temp": "99000",
        "class/thermal/thermal_zone0/trip_point_2_type": "active",
        "class/thermal/thermal_zone0/trip_point_2_temp": "51000",
        "class/thermal/thermal_zone9/type": "iwlwifi",
        "class/thermal/thermal_zone9/trip_point_0_type": "passive",
        "class/thermal/thermal_zone9/trip_point_0_temp": "60000",
        "class/hwmon/hwmon3/oc1_event_cnt": "0",
        "class/hwmon/hwmon3/oc3_event_cnt": "37",
    }
    for name, text in files.items():
        path = folder / "sys" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")
    return folder / "sys"


@pytest.fixture
def orin(tmp_path: Path) -> Iterator[TegrastatsSource]:
    source = TegrastatsSource([str(tegrastats(tmp_path, ORIN_NANO))], JetsonFiles.find(sysfs(tmp_path)), "15W (0)")
    yield source
    source.close()


def test_what_an_orin_tells(orin: TegrastatsSource) -> None:
    reading = orin.read()
    assert (reading.watts, reading.celsius, reading.mhz, reading.utilisation) == (16.321, 58.625, 612, 0.99)
    assert reading.events == (("over-current throttling", 37),)
    assert reading.seconds <= time.monotonic()
    assert orin.facts.power_of == "the whole module (VDD_IN)"
    assert (orin.facts.max_mhz, orin.facts.power_mode, orin.facts.notes) == (1020, "15W (0)", ())
    assert reading.throttling == ("GPU busy below its 1020 MHz, for a reason that tegrastats does not print",)


def test_an_older_reading_keeps_its_time(orin: TegrastatsSource) -> None:
    assert orin.read().seconds == orin.read().seconds


def test_a_clock_that_tegrastats_leaves_out(tmp_path: Path) -> None:
    source = TegrastatsSource([str(tegrastats(tmp_path, UNPRIVILEGED))], JetsonFiles.find(sysfs(tmp_path)))
    try:
        assert source.read().mhz == 1020
        assert source.facts.power_of == "the rails VDD_GPU_SOC + VDD_CPU_CV + VIN_SYS_5V0"
    finally:
        source.close()


@pytest.mark.parametrize(("rail", "whole"), [("VDD_IN", "module"), ("POM_5V_IN", "module"), ("VIN", "developer kit")])
def test_what_power_is_of(tmp_path: Path, rail: str, whole: str) -> None:
    line = f"{rail} 19780mW/19780mW VDD_GPU 1962mW/1962mW"
    source = TegrastatsSource([str(tegrastats(tmp_path, line))], JetsonFiles.find(tmp_path))
    source.close()
    assert source.facts.power_of == f"the whole {whole} ({rail})"


@pytest.mark.parametrize(
    ("line", "note"),
    [
        (POWERLESS, "tegrastats prints no power: some releases print it for root only (sudo)"),
        ("VDD_NEW 5mW/5mW VDD_NEWER 6mW/6mW", "which of the rails VDD_NEW, VDD_NEWER make up"),
    ],
)
def test_power_that_is_not_told(tmp_path: Path, line: str, note: str) -> None:
    source = TegrastatsSource([str(tegrastats(tmp_path, line))], JetsonFiles.find(tmp_path))
    try:
        assert source.read().watts is None
        assert source.facts.notes[0].startswith(note)
    finally:
        source.close()


def test_a_tool_that_ends_at_once_or_later_says_nothing_more(tmp_path: Path) -> None:
    source = TegrastatsSource([str(tegrastats(tmp_path, ORIN_NANO, "exit 1"))], JetsonFiles.find(tmp_path))
    source._process.wait()
    assert source.read().is_empty
    source.close()
    source.close()


@pytest.mark.parametrize(
    ("body", "note"),
    [
        ("exit 3", "tegrastats ended at once, with exit status 3: run it in a shell to see why"),
        (
            "echo 'Usage: tegrastats [--interval]'; exec sleep 30",
            NOT_UNDERSTOOD,
        ),
        (
            "printf '\\377\\376 \\000 VDD_IN\\n'; exec sleep 30",
            NOT_UNDERSTOOD,
        ),
    ],
)
def test_a_tool_that_says_nothing(tmp_path: Path, body: str, note: str) -> None:
    source = TegrastatsSource([str(tool(tmp_path, "tegrastats", body))], JetsonFiles.find(tmp_path))
    source.close()
    assert source.facts.notes == (note,)
    assert source.read().is_empty


def test_a_tool_that_falls_silent(orin: TegrastatsSource, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not orin.read().is_empty
    now = time.monotonic()
    monkeypatch.setattr(jetson.time, "monotonic", lambda: now + jetson.STALE_SECONDS + 0.1)
    assert orin.read().is_empty


def test_a_child_that_holds_the_output_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jetson, "END_SECONDS", 0.1)
    script = tegrastats(tmp_path, ORIN_NANO, "sleep 60 & exec sleep 60")
    source = TegrastatsSource([str(script)], JetsonFiles.find(tmp_path))
    start = time.monotonic()
    source.close()
    assert time.monotonic() - start < 30  # however busy the machine is


def test_a_tool_that_will_not_end_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jetson, "END_SECONDS", 0.1)
    script = tool(tmp_path, "tegrastats", f"trap '' TERM\necho '{ORIN_NANO}'\nexec sleep 30")
    source = TegrastatsSource([str(script)], JetsonFiles.find(tmp_path))
    source.close()
    assert source._process.returncode == -signal.SIGKILL


def test_files_of_a_board(tmp_path: Path) -> None:
    files = JetsonFiles.find(sysfs(tmp_path))
    assert files.gpu_clock == tmp_path / "sys/class/devfreq/17000000.gpu/cur_freq"
    assert files.trip_celsius == 99  # neither the fan's 51 nor the radio's 60
    assert len(files.over_current) == 2
    assert JetsonFiles.find(tmp_path / "none") == JetsonFiles(None, None, None, ())


@pytest.mark.parametrize("name", ["57000000.gpu", "17000000.gv11b", "17000000.ga10b", "gpu-gpc-0"])
def test_names_of_the_gpu(tmp_path: Path, name: str) -> None:
    (tmp_path / "class/devfreq" / name).mkdir(parents=True)
    (tmp_path / "class/devfreq/gpu-nvd-0").mkdir()
    found = JetsonFiles.find(tmp_path).gpu_clock
    assert found is not None
    assert found.parent.name == name


@pytest.mark.parametrize(
    ("line", "mhz", "max_mhz", "trip", "count"),
    [
        ("GR3D_FREQ 99%@[612] tj@58C", 612, 612, 99, 0),
        ("GR3D_FREQ 99%@[590] tj@58C", 590, 612, 99, 0),  # 0.964 of it
        ("GR3D_FREQ 99%@[580] tj@58C", 580, 612, 99, 1),  # 0.948
        ("GR3D_FREQ 89%@[306] tj@58C", 306, 612, 99, 0),  # not busy: a low clock is what the governor wants
        ("GR3D_FREQ @[306] tj@58C", 306, 612, 99, 0),  # nobody knows how busy
        ("GR3D_FREQ 99%@[306] tj@58C", 306, None, None, 0),
        ("GR3D_FREQ 99%@[612] tj@97C", 612, 612, 99, 1),
        ("GR3D_FREQ 99%@[612] tj@96.9C", 612, 612, 99, 0),
        ("GR3D_FREQ 99%@[306] tj@98C", 306, 612, 99, 2),
    ],
)
def test_what_looks_like_throttling(
    line: str, mhz: float, max_mhz: float | None, trip: float | None, count: int
) -> None:
    assert len(throttling_of(parse_tegrastats(line), mhz, max_mhz, trip)) == count


def test_power_mode_of_an_ordinary_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """nvpmodel names the mode, and then fails at files that it may not read."""
    tegrastats(tmp_path, ORIN_NANO)
    tool(tmp_path, "nvpmodel", "echo 'NV Power Mode: MODE_30W'; echo 2; echo 'NVPM ERROR: Error opening x: 13'; exit 1")
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    source = open_jetson()
    assert source is not None
    source.close()
    assert source.facts.power_mode == "power mode MODE_30W (2)"


@pytest.mark.parametrize("is_jetson", [True, False])
def test_the_gpu_is_asked_once(is_jetson: bool, orin: TegrastatsSource, monkeypatch: pytest.MonkeyPatch) -> None:
    """A Jetson's driver answers NVML too, but leaves most out."""
    monkeypatch.setattr(sources, "is_jetson", lambda: is_jetson)
    monkeypatch.setattr(sources, "open_jetson", lambda: orin)
    monkeypatch.setattr(sources, "open_nvml", lambda: None)
    monkeypatch.setattr(sources, "open_cpu", lambda: None)
    assert sources.open_sources() == ([orin] if is_jetson else [])


def test_a_jetson_without_tegrastats(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sources, "is_jetson", lambda: True)
    monkeypatch.setattr(sources, "open_nvml", lambda: None)
    assert open_jetson() is None
    assert sources.NO_TEGRASTATS in sources.machine_notes(sources.open_sources())


def test_the_constants_are_as_the_tool_takes_them() -> None:
    assert jetson.COMMAND == ("tegrastats", "--interval", "200")
