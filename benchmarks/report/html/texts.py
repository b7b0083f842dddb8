"""What the page says in words: the verdict, the differences of an image, the machine and the options."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from datetime import datetime

from yolact_deploy.benchmarks.accuracy.differences import ImageDifference
from yolact_deploy.benchmarks.hardware import Hardware
from yolact_deploy.benchmarks.options import BenchOptions
from yolact_deploy.benchmarks.report.model import BenchReport, ModelReport
from yolact_deploy.benchmarks.report.table import ABSENT
from yolact_deploy.benchmarks.report.wording import failures, summary
from yolact_deploy.config.model import ModelConfig


@dataclass(frozen=True)
class VerdictView:
    """The outcome of the gates in words."""

    word: str
    sentence: str
    style: str  # a class of report.css


def date_text(iso: str) -> str:
    """For people; a date that is none stays as it is."""
    try:
        return f"{datetime.fromisoformat(iso):%d %B %Y, %H:%M} UTC"
    except ValueError:
        return iso


def verdict(report: BenchReport) -> VerdictView:
    """The gates in one line: the word of the parity gate, or FAIL when the run is slower than allowed."""
    slower = report.comparison is not None and not report.comparison.passed
    word = "FAIL" if slower else report.parity
    style = "fail" if not report.passed else "pass" if word == "pass" else ""
    return VerdictView(word, "; ".join(dict.fromkeys((summary(report), *failures(report)))), style)


def differences_note(model: ModelReport) -> str:
    """Why there is no picture of a model at all."""
    if model.differences is None:
        return "No pictures: the model was not compared."
    return "No difference: on every image both found the same, with equal masks and scores."


def difference_words(item: ImageDifference) -> str:
    """One image's difference in a sentence or two."""
    parts = [f"{item.file_name}: {_count(item.matched, 'detection')} in common"]
    parts += [f"{item.missing} only in the reference"] if item.missing else []
    parts += [f"{item.extra} only in the model"] if item.extra else []
    if item.min_mask_iou is not None and item.max_score_difference is not None:
        parts += [
            f"lowest mask IoU {item.min_mask_iou:.4f}",
            f"largest difference of score {_small(item.max_score_difference)}",
        ]
    sentence = ", ".join(parts) + "."
    if item.pictures is None:
        return f"No visible difference on any image. The largest is in {sentence}"
    pixels = f"only in the reference: {item.pictures.only_reference}, only in the model: {item.pictures.only_model}"
    return f"{sentence} Pixels {pixels}."


def _small(value: float) -> str:
    return f"{value:.4f}" if value >= 0.0001 else "below 0.0001"


def _count(number: int, what: str) -> str:
    return f"{number} {what}" + ("" if number == 1 else "s")


def machine_facts(hardware: Hardware) -> list[tuple[str, str]]:
    """The machine and its software."""
    memory = hardware.memory_bytes
    return [
        ("Processor", f"{hardware.cpu}, {_count(hardware.cores, 'core')}"),
        ("Memory", f"{memory / 2**30:.1f} GiB" if memory else ABSENT),
        ("GPU", hardware.gpu or "no NVIDIA GPU"),
        ("System", hardware.system),
        ("yolact-deploy", hardware.tool_version),
        *hardware.versions.items(),
    ]


def option_facts(options: BenchOptions) -> list[tuple[str, str]]:
    """What the command was told; what has no value is left out."""
    found = []
    for field in dataclasses.fields(options):
        value = getattr(options, field.name)
        if value is None or value is False or value == () or field.name == "draws_pictures":  # this page is why
            continue
        value = "yes" if value is True else value.name if isinstance(value, ModelConfig) else value
        shown = ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)
        found.append((field.name.replace("_", " "), shown))
    return found
