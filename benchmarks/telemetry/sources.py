"""Which sources this machine has."""

from __future__ import annotations

import os

from ...machine import is_jetson
from .cpu import load_warning, open_cpu
from .jetson import open_jetson
from .nvml import open_nvml
from .reading import Source, SourceFacts

SILENT = "this machine tells neither power nor temperature"
NO_TEGRASTATS = "tegrastats is not here, so a Jetson's power is not told (in a container, mount /usr/bin/tegrastats)"


def open_sources() -> list[Source]:
    """Every source that says something here, open. Never raises for what is missing."""
    gpu: Source | None = (open_jetson() if is_jetson() else None) or open_nvml()
    cpu = open_cpu()
    return [source for source in (gpu, cpu) if source is not None]


def offered() -> list[tuple[SourceFacts, tuple[str, ...]]]:
    """The sources of this machine and what each of them tells, in words."""
    sources = open_sources()
    told = [(source.facts, source.read().said) for source in sources]
    for source in sources:
        source.close()
    return told


def machine_notes(sources: list[Source]) -> list[str]:
    """What to say of this machine before anything is measured: what it does not tell, and that it is busy."""
    notes = [note for source in sources for note in source.facts.notes]
    readings = [source.read() for source in sources]
    if is_jetson() and not any(source.facts.tool == "tegrastats" for source in sources):
        notes.append(NO_TEGRASTATS)
    if all(reading.watts is None and reading.joules is None and reading.celsius is None for reading in readings):
        notes.append(SILENT)
    busy = load_warning(os.getloadavg()[0], os.cpu_count() or 1)
    return [*notes, busy] if busy else notes
