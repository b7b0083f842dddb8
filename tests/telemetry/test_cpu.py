"""The processor's source on a made-up /sys."""

from __future__ import annotations

from pathlib import Path

import pytest

from yolact_deploy.telemetry import cpu
from yolact_deploy.telemetry.cpu import MAX_CLOCKS, CpuFiles, CpuSource, load_warning, open_cpu


def write(folder: Path, files: dict[str, object]) -> Path:
    for name, value in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{value}\n")
    return folder


@pytest.fixture
def desktop(tmp_path: Path) -> Path:
    """Four cores, one package, everything readable."""
    files: dict[str, object] = {
        "class/hwmon/hwmon0/name": "nvme",
        "class/hwmon/hwmon0/temp1_input": 90000,
        "class/hwmon/hwmon1/name": "coretemp",
        "class/hwmon/hwmon1/temp1_input": 61000,
        "class/hwmon/hwmon1/temp2_input": 58000,
        "class/powercap/intel-rapl:0/energy_uj": 1_000_000,
        "class/powercap/intel-rapl:0/max_energy_range_uj": 262_143_328_850,
        "class/powercap/intel-rapl:0:0/energy_uj": 500_000,  # the cores, inside the package
    }
    for core, (khz, throttled) in enumerate([(3_000_000, 1), (3_200_000, 0), (2_800_000, 4), (800_000, 0)]):
        base = f"devices/system/cpu/cpu{core}"
        files[f"{base}/cpufreq/scaling_cur_freq"] = khz
        files[f"{base}/cpufreq/cpuinfo_max_freq"] = 4_200_000
        files[f"{base}/cpufreq/scaling_governor"] = "powersave"
        files[f"{base}/thermal_throttle/core_throttle_count"] = throttled
        files[f"{base}/thermal_throttle/package_throttle_count"] = 9
    return write(tmp_path, files)


def test_a_desktop(desktop: Path) -> None:
    source = CpuSource(CpuFiles.find(desktop, cpus=[0, 1, 2]))
    reading = source.read()
    assert reading.mhz == 3000  # of the cores that this process may use
    assert reading.celsius == 61  # not the disk
    assert reading.events == (("thermal throttling of cores", 5), ("thermal throttling of the processor", 9))
    assert reading.watts is None
    facts = source.facts
    assert (facts.max_mhz, facts.power_mode, facts.notes) == (4200, "governor powersave", ())
    assert facts.power_of == "the processor's package (RAPL)"


def test_the_energy_counter_starts_anew(desktop: Path) -> None:
    source = CpuSource(CpuFiles.find(desktop, cpus=[0]))
    assert source.read().joules == 0
    counter = desktop / "class/powercap/intel-rapl:0/energy_uj"
    counter.write_text("3500000\n")
    (desktop / "class/powercap/intel-rapl:0:0/energy_uj").write_text("2000000\n")  # already in the package's
    assert source.read().joules == 2.5
    counter.write_text("100000\n")  # 262,143.32885 J is where it does
    assert source.read().joules == pytest.approx(262_143.32885 + 0.1 - 1.0)


def test_an_energy_counter_that_starts_anew_nobody_knows_where(desktop: Path) -> None:
    (desktop / "class/powercap/intel-rapl:0/max_energy_range_uj").unlink()
    source = CpuSource(CpuFiles.find(desktop, cpus=[0]))
    for microjoules, joules in ((3_500_000, 2.5), (100_000, 2.5), (600_000, 3.0)):  # never less than before
        (desktop / "class/powercap/intel-rapl:0/energy_uj").write_text(f"{microjoules}\n")
        assert source.read().joules == pytest.approx(joules)


def test_two_packages_count_together(desktop: Path) -> None:
    write(desktop, {"class/powercap/intel-rapl:1/energy_uj": 7, "class/powercap/intel-rapl:1/max_energy_range_uj": 99})
    source = CpuSource(CpuFiles.find(desktop, cpus=[0]))
    (desktop / "class/powercap/intel-rapl:0/energy_uj").write_text("2000000")
    (desktop / "class/powercap/intel-rapl:1/energy_uj").write_text("50")
    assert source.read().joules == pytest.approx(1.000043)


def test_power_of_one_package_of_two_is_not_told(desktop: Path) -> None:
    write(desktop, {"class/powercap/intel-rapl:1/name": "package-1"})  # its counter cannot be read
    assert CpuSource(CpuFiles.find(desktop, cpus=[0])).read().joules is None


def test_an_energy_counter_for_root_only(desktop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unreadable(path: Path) -> int | None:
        return None if path.name == "energy_uj" else read(path)

    read = cpu.read_number
    monkeypatch.setattr(cpu, "read_number", unreadable)
    source = CpuSource(CpuFiles.find(desktop, cpus=[0]))
    assert source.read().joules is None
    assert source.facts.power_of is None
    assert source.facts.notes == ("the processor's energy counter (RAPL) may be read by root only",)


def test_thermal_zones_where_there_is_no_sensor_driver(tmp_path: Path) -> None:
    write(tmp_path, {"class/thermal/thermal_zone3/type": "x86_pkg_temp", "class/thermal/thermal_zone3/temp": 47000})
    write(tmp_path, {"class/thermal/thermal_zone4/type": "acpitz", "class/thermal/thermal_zone4/temp": 99000})
    assert CpuSource(CpuFiles.find(tmp_path, cpus=[0])).read().celsius == 47


@pytest.mark.parametrize("count", [1, 8, 9, 64, 128])
def test_of_many_cores_a_few_are_asked(tmp_path: Path, count: int) -> None:
    write(tmp_path, {f"devices/system/cpu/cpu{core}/cpufreq/scaling_cur_freq": 1 for core in range(count)})
    clocks = CpuFiles.find(tmp_path, cpus=list(range(count))).clocks
    assert min(count, MAX_CLOCKS) / 2 < len(clocks) <= MAX_CLOCKS


def test_a_machine_that_tells_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = CpuSource(CpuFiles.find(tmp_path, cpus=[0, 1]))
    assert source.read().is_empty
    assert source.facts.notes == ()
    monkeypatch.setattr(cpu.CpuFiles, "find", lambda **_: CpuFiles((), None, None, (), (), (), ()))
    assert open_cpu() is None


def test_files_that_hold_no_number(desktop: Path) -> None:
    for path in desktop.rglob("*"):
        if path.is_file() and path.name not in ("name", "type"):
            path.write_text("<unknown>\n")
    assert CpuSource(CpuFiles.find(desktop, cpus=[0])).read().is_empty


@pytest.mark.parametrize(
    ("load", "cores", "warned"), [(0.0, 2, False), (1.0, 2, False), (1.1, 2, True), (40.0, 64, True)]
)
def test_a_busy_machine(load: float, cores: int, warned: bool) -> None:
    warning = load_warning(load, cores)
    assert (warning is not None) == warned
    if warning is not None:
        assert f"load average {load:.1f} on {cores} cores" in warning
