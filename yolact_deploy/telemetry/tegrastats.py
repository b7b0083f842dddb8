"""The lines that tegrastats prints on a Jetson, from JetPack 4 to 7."""

from __future__ import annotations

import re
from dataclasses import dataclass

NOT_CONNECTED = -100  # degrees Celsius: a sensor that is off reads -256

_NUMBER = r"-?\d+(?:\.\d+)?"
# "VDD_IN 4067/4067", "VDD_IN 5299mW/5299mW", "VDD_GPU 5517mW", and with the largest: "VDD_IN 4548mW/4548mW/4548mW";
# now, mean and largest. Memory ("RAM 534/3964MB") looks alike up to its unit.
_RAIL = re.compile(r"(?<!\S)([A-Z]\w*) (-?\d+)(?:mW(?:/-?\d+mW)*|/-?\d+)(?!\S)")
_TEMPERATURE = re.compile(rf"(?<!\S)(\w+)@({_NUMBER})C(?:/{_NUMBER}C)?(?!\S)")
# "62%", "62%@306", "62%@[305,305]" and, without the load, "@[314,314,314]"
_GPU = re.compile(r"(?<!\S)GR3D_FREQ (?:(\d+)%)?(?:@\[?([\d,]+)\]?)?(?!\S)")

BOARD_INPUT = "VIN"  # of the developer kit: the module and what is around it
# What the whole module takes: the first group of rails that a line has all of. A rail that feeds another one, such as
# VDDQ_VDD2_1V8AO inside VIN_SYS_5V0, is not counted twice.
TOTALS = (
    ("VDD_IN",),
    ("POM_5V_IN",),  # Nano
    (BOARD_INPUT,),  # Thor
    ("VDD_GPU_SOC", "VDD_CPU_CV", "VIN_SYS_5V0"),  # AGX Orin
    ("VDD_GPU", "VDD_CPU_SOC_MSS", "VIN_SYS_5V0"),  # Thor
    ("GPU", "CPU", "SOC", "CV", "VDDRQ", "SYS5V"),  # AGX Xavier
)
CHIP_SENSOR = re.compile(r"(gpu|tj|[bm]?cpu|soc\d*)", re.IGNORECASE)  # PMIC reads 100 always; boards are not the chip


@dataclass(frozen=True)
class TegraLine:
    """One line. None: it does not say."""

    rails: dict[str, int]  # name -> mW now
    temperatures: dict[str, float]  # sensor -> degrees Celsius, without those that are off
    gpu_utilisation: float | None  # 0..1
    gpu_mhz: float | None  # the fastest of several clusters

    @property
    def is_empty(self) -> bool:
        """Whether nothing is said."""
        return not self.rails and not self.temperatures and self.gpu_utilisation is None and self.gpu_mhz is None

    @property
    def power_rails(self) -> tuple[str, ...]:
        """The rails that together are the module's power; empty when this line has none that are known to be."""
        return next((names for names in TOTALS if all(name in self.rails for name in names)), ())

    @property
    def watts(self) -> float | None:
        """The module's power."""
        names = self.power_rails
        return sum(self.rails[name] for name in names) / 1e3 if names else None

    @property
    def celsius(self) -> float | None:
        """The hottest sensor on the chip."""
        chip = [value for name, value in self.temperatures.items() if CHIP_SENSOR.fullmatch(name)]
        return max(chip, default=None)


def parse_tegrastats(line: str) -> TegraLine:
    """What one line says; nothing at all of a line that is something else."""
    gpu = _GPU.search(line)
    clocks = [int(value) for value in (gpu[2] or "").split(",") if value] if gpu else []
    temperatures = {name: float(value) for name, value in _TEMPERATURE.findall(line)}
    return TegraLine(
        rails={name: int(value) for name, value in _RAIL.findall(line) if name != "NC"},
        temperatures={name: value for name, value in temperatures.items() if value > NOT_CONNECTED},
        gpu_utilisation=int(gpu[1]) / 100 if gpu and gpu[1] else None,
        gpu_mhz=max(clocks, default=0) or None,  # 0: asleep
    )


def parse_power_mode(output: str) -> str | None:
    """The mode that `nvpmodel -q` names, with its number: "MAXN (0)"; None when it names none."""
    match = re.search(r"NV Power Mode:[ \t]*(\S[^\n]*)", output)
    if match is None:
        return None
    number = re.search(r"^(\d+)\s*$", output[match.end() :], re.MULTILINE)
    return match[1].strip() + (f" ({number[1]})" if number else "")
