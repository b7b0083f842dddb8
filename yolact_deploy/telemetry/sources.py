"""Which sources this machine has."""

from __future__ import annotations

import os

from ..machine import is_jetson
from .cpu import load_warning, open_cpu
from .jetson import open_jetson
from .nvml import open_nvml
from .reading import Source, SourceFacts

SILENT = "no power or temperature sensor found"
NO_TEGRASTATS = (
    "tegrastats not found, so the power of this Jetson is unknown (in a container, mount /usr/bin/tegrastats)"
)


def open_sources() -> list[Source]:
    """Every source that says something here, open. Never raises for what is missing."""
    gpu: Source | None = (open_jetson() if is_jetson() else None) or open_nvml()
    cpu = open_cpu()
    return [source for source in (gpu, cpu) if source is not None]


def offered() -> list[tuple[SourceFacts, tuple[str, ...]]]:
    """The sources of this machine, and what each of them reads, in words."""
    sources = open_sources()
    found = [(source.facts, source.read().said) for source in sources]
    for source in sources:
        source.close()
    return found


def machine_notes(sources: list[Source]) -> list[str]:
    """What this machine does not measure, and why."""
    notes = [note for source in sources for note in source.facts.notes]
    readings = [source.read() for source in sources]
    if is_jetson() and not any(source.facts.tool == "tegrastats" for source in sources):
        notes.append(NO_TEGRASTATS)
    if all(reading.watts is None and reading.joules is None and reading.celsius is None for reading in readings):
        notes.append(SILENT)
    return notes


def busy_notes() -> list[str]:
    """A warning when other work runs on the machine; to be asked before one's own work begins."""
    try:
        load, _, _ = os.getloadavg()
    except OSError:
        return []
    warning = load_warning(load, os.cpu_count() or 1)
    return [warning] if warning else []
