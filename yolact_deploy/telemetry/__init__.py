"""What the machine's sensors read while a model runs: power, energy, temperature, clocks, throttling."""

from .monitor import Monitor, Record
from .reading import Reading, Source
from .sources import busy_notes, machine_notes, offered, open_sources
from .summary import Spread, Telemetry, Throttling, Watched

__all__ = [
    "Monitor",
    "Reading",
    "Record",
    "Source",
    "Spread",
    "Telemetry",
    "Throttling",
    "Watched",
    "busy_notes",
    "machine_notes",
    "offered",
    "open_sources",
]
