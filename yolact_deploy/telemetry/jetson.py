"""A Jetson: tegrastats for power, temperature and load, /sys for what it leaves out, nvpmodel for the power mode."""

from __future__ import annotations

import re
import subprocess
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..machine import output_of
from .reading import Reading, SourceFacts
from .tegrastats import BOARD_INPUT, TegraLine, parse_power_mode, parse_tegrastats

COMMAND = ("tegrastats", "--interval", "200")  # ms
START_SECONDS = 2.0  # until the first line
STALE_SECONDS = 2.0  # a line this old says nothing any more
END_SECONDS = 2.0  # to end in
BUSY = 0.9  # load from which the GPU should be at its largest clock
LOW_CLOCK = 0.95  # of the largest one: clocks go in steps
NEAR_TRIP = 2.0  # degrees Celsius

_SYSFS = Path("/sys")
_GPU_CLOCKS = re.compile(r"(\d+\.(gpu|ga10b|gv11b|gp10b|gm20b)|gpu-gpc-0)")  # names of the GPU in /sys/class/devfreq


@dataclass(frozen=True)
class JetsonFiles:
    """Files in /sys with what tegrastats leaves out. None or empty: this board has none."""

    gpu_clock: Path | None  # Hz
    max_gpu_clock: Path | None  # Hz, as the power mode allows
    trip_celsius: float | None  # at which software starts to throttle the chip
    over_current: tuple[Path, ...]  # counters

    @classmethod
    def find(cls, sysfs: Path = _SYSFS) -> JetsonFiles:
        """Look for them."""
        devices = sorted(path for path in sysfs.glob("class/devfreq/*") if _GPU_CLOCKS.fullmatch(path.name))
        device = devices[0] if devices else None
        return cls(
            gpu_clock=device / "cur_freq" if device else None,
            max_gpu_clock=device / "max_freq" if device else None,
            trip_celsius=_lowest_trip(sysfs),
            over_current=tuple(sorted(sysfs.glob("class/hwmon/hwmon*/oc*_event_cnt"))),
        )


def _lowest_trip(sysfs: Path) -> float | None:
    """Where passive cooling, which is throttling, sets in; active cooling is the fan."""
    trips = []
    for zone in sysfs.glob("class/thermal/thermal_zone*"):
        if not re.match(r"(cpu|gpu|tj|soc)", (read_text(zone / "type") or "").lower()):
            continue
        kinds = [path for path in zone.glob("trip_point_*_type") if read_text(path) == "passive"]
        trips += numbers(path.with_name(path.name.replace("_type", "_temp")) for path in kinds)
    return min((trip / 1e3 for trip in trips if trip > 0), default=None)


class TegrastatsSource:
    """Runs tegrastats beside the measurement and keeps its last line."""

    def __init__(
        self,
        command: Sequence[str] = COMMAND,
        files: JetsonFiles | None = None,
        power_mode: str | None = None,
        start_seconds: float = START_SECONDS,
    ) -> None:
        """Raises OSError when the command cannot be started. files: None: found here."""
        self._files = files or JetsonFiles.find()
        self._latest = (time.monotonic(), parse_tegrastats(""))
        self._said = threading.Event()
        self._process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, errors="replace"
        )
        self._thread = threading.Thread(target=self._listen, name="tegrastats", daemon=True)
        self._thread.start()
        self._said.wait(start_seconds)
        line = self._latest[1]
        max_hz = read_number(self._files.max_gpu_clock) if self._files.max_gpu_clock else None
        self.facts = SourceFacts(
            name="Jetson",
            tool="tegrastats",
            power_of=_scope(line),
            max_mhz=max_hz / 1e6 if max_hz else None,
            power_mode=power_mode,
            notes=_notes(line, self._exit_status()),
        )

    def _exit_status(self) -> int | None:
        """The tool's exit status; None while it runs."""
        self._thread.join(0.05 if self._latest[1].is_empty else 0)
        if self._thread.is_alive():
            return None
        try:  # its output ends a moment before it does
            return self._process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            return None

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for text in self._process.stdout:
            self._latest = (time.monotonic(), parse_tegrastats(text))
            self._said.set()
        self._said.set()  # it ended

    def read(self) -> Reading:
        """See `Source`. The time is that of tegrastats' last line."""
        now = time.monotonic()
        seconds, line = self._latest
        if self._process.poll() is not None or now - seconds > STALE_SECONDS:
            return Reading(now)
        hz = read_number(self._files.gpu_clock) if self._files.gpu_clock and line.gpu_mhz is None else None
        mhz = hz / 1e6 if hz else line.gpu_mhz
        over_current = numbers(self._files.over_current)
        return Reading(
            seconds=seconds,
            watts=line.watts,
            celsius=line.celsius,
            mhz=mhz,
            utilisation=line.gpu_utilisation,
            throttling=None
            if line.is_empty
            else throttling_of(line, mhz, self.facts.max_mhz, self._files.trip_celsius),
            events=(("over-current throttling", sum(over_current)),) if over_current else (),
        )

    def close(self) -> None:
        """See `Source`."""
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(END_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._thread.join(END_SECONDS)  # longer where a subprocess of it lives on and holds its output open
        if self._process.stdout is not None and not self._thread.is_alive():
            self._process.stdout.close()


def throttling_of(line: TegraLine, mhz: float | None, max_mhz: float | None, trip: float | None) -> tuple[str, ...]:
    """What looks like throttling; tegrastats itself never says so."""
    found = []
    if line.celsius is not None and trip is not None and line.celsius >= trip - NEAR_TRIP:
        found.append(f"chip within {NEAR_TRIP:.0f} °C of the {trip:.0f} °C at which it is throttled")
    is_busy = line.gpu_utilisation is not None and line.gpu_utilisation >= BUSY
    if is_busy and mhz is not None and max_mhz is not None and mhz < LOW_CLOCK * max_mhz:
        found.append(f"GPU busy below its {max_mhz:.0f} MHz, for a reason that tegrastats does not print")
    return tuple(found)


def open_jetson() -> TegrastatsSource | None:
    """None when tegrastats is not here, as in a container that it was not mounted into."""
    # As an ordinary user it names the mode, and then fails at files that it may not read.
    mode = parse_power_mode(output_of("nvpmodel", "-q", even_failed=True) or "")
    try:
        return TegrastatsSource(power_mode=mode and f"power mode {mode}")
    except OSError:
        return None


def _scope(line: TegraLine) -> str | None:
    names = line.power_rails
    if not names:
        return None
    if len(names) > 1:
        return f"the rails {' + '.join(names)}"
    return f"the whole {'developer kit' if names[0] == BOARD_INPUT else 'module'} ({names[0]})"


def _notes(line: TegraLine, status: int | None) -> tuple[str, ...]:
    """status: the tool's exit status; None while it runs."""
    if status is not None:
        return (f"tegrastats ended at once, with exit status {status}: run it in a shell to see why",)
    if line.is_empty:
        return ("tegrastats runs, but prints nothing that this version understands",)
    if line.power_rails:
        return ()
    if line.rails:
        return (f"which of the rails {', '.join(line.rails)} make up the power of the module is not known",)
    return ("tegrastats prints no power: some releases print it for root only (sudo)",)


def read_text(path: Path) -> str | None:
    """The text of a small file of /sys; None when it cannot be read."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip("\0\n ")
    except OSError:
        return None


def read_number(path: Path) -> int | None:
    """The whole number in a file; None when there is none."""
    try:
        return int(read_text(path) or "")
    except ValueError:
        return None


def numbers(paths: Iterable[Path]) -> list[int]:
    """The numbers of the files that have one."""
    return [value for path in paths if (value := read_number(path)) is not None]
