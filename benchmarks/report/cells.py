"""What cells say of a model, in every table that says it."""

from __future__ import annotations

from yolact_deploy.benchmarks.accuracy.average_precision import NOT_AVAILABLE
from yolact_deploy.benchmarks.accuracy.parity import POINT
from yolact_deploy.benchmarks.report.model import ModelReport
from yolact_deploy.benchmarks.report.table import ABSENT, fixed, number

STAGE_TITLES = {"preprocess": "preprocess", "network": "network", "postprocess": "post-process", "masks": "masks"}
DEVICE_TITLES = {"host_to_device": "to device", "gpu": "GPU", "device_to_host": "copy to host", "enqueue": "enqueue"}
NOTHING = "NONE"  # found by a model


def found_text(model: ModelReport) -> str:
    """Detections per image: no speed means anything without it."""
    return NOTHING if model.detects_nothing else number(model.detections.per_image)


def gate_text(model: ModelReport) -> str:
    """The verdict of the parity gate in a word or two."""
    if model.is_reference:
        return "reference"
    return ABSENT if model.verdict is None else model.verdict.word


def ap_text(value: float | None) -> str:
    """An AP in points, ABSENT where it is not available."""
    return ABSENT if value is None else fixed(in_points(value), 2)


def in_points(value: float) -> float | None:
    """An AP in points; None where it is not available."""
    return None if value == NOT_AVAILABLE else value / POINT
