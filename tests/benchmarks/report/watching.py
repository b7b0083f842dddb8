"""Telemetry made by hand."""

from __future__ import annotations

from yolact_deploy.telemetry import Reading, Telemetry
from yolact_deploy.telemetry.reading import SourceFacts
from yolact_deploy.telemetry.summary import Span, summarise


def telemetry(**reading: object) -> Telemetry:
    """A GPU watched for two seconds while 40 images went through, and a processor that tells its clock only."""
    values = {"watts": 120.0, "joules": None, "celsius": 55.0, "mhz": 1500.0, "throttling": (), **reading}
    last = {**values, "celsius": 61.0, "mhz": 1755.0}
    span = Span(0.0, 2.0, (Reading(0.0, **values), Reading(2.0, **last)))  # type: ignore[arg-type]
    gpu = SourceFacts("NVIDIA H200", "NVML", True, "the GPU's board", 1980.0)
    cpu = Span(0.0, 2.0, (Reading(0.0, mhz=2900.0),))
    return Telemetry(40, (summarise(gpu, [span], 40, 71.25), summarise(SourceFacts("CPU", "psutil"), [cpu], 40, None)))
