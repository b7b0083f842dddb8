"""What the page says in words: the verdict, the differences of an image, the machine and the options."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from yolact_deploy.benchmarks.report.html.view import ABSENT, Json, ModelView


@dataclass(frozen=True)
class VerdictView:
    """The outcome of the parity gate in words."""

    word: str
    sentence: str
    style: str  # a class of report.css


def date_text(iso: str) -> str:
    """For people; a date that is none stays as it is."""
    try:
        return f"{datetime.fromisoformat(iso):%d %B %Y, %H:%M} UTC"
    except ValueError:
        return iso


def verdict(models: Sequence[ModelView], reference: ModelView | None, comparison: Json | None = None) -> VerdictView:
    """In one line. comparison: with an older run."""
    if comparison and comparison["failures"]:
        parity = _parity_verdict(models, reference)
        return VerdictView(
            "FAIL", f"Slower than allowed since {date_text(comparison['date'])}. Parity: {parity.word}.", "fail"
        )
    return _parity_verdict(models, reference)


def _parity_verdict(models: Sequence[ModelView], reference: ModelView | None) -> VerdictView:
    judged = [model for model in models if model.json["verdict"]]
    failed = [model.name for model in judged if not model.json["verdict"]["passed"]]
    if reference is None:
        return VerdictView("Not judged", "There was no reference to compare with.", "")
    if not judged:
        return VerdictView("Not judged", f"Only the reference was measured: {reference.name}.", "")
    if failed:
        others = f", {len(judged) - len(failed)} passed" if len(failed) < len(judged) else ""
        return VerdictView("FAIL", f"Not equal to {reference.name}: {', '.join(failed)}{others}.", "fail")
    what = "1 model equals" if len(judged) == 1 else f"{len(judged)} models equal"
    return VerdictView("Pass", f"{what} {reference.name} within the limits of the gate.", "pass")


def differences(model: ModelView) -> list[Json]:
    """The images of `model` that differ most, with `words` for each."""
    found = model.json.get("differences") or []
    return [{**item, "words": difference_words(item)} for item in found]


def differences_note(model: ModelView) -> str:
    """Why there is no picture at all."""
    if model.json.get("differences") is None:
        return "No pictures: this file does not hold them."
    return "No difference: on every image both found the same, with equal masks and scores."


def difference_words(item: Json) -> str:
    """One image's difference in a sentence or two."""
    parts = [f"{item['file_name']}: {_count(item['matched'], 'detection')} in common"]
    parts += [f"{item['missing']} only in the reference"] if item["missing"] else []
    parts += [f"{item['extra']} only in the model"] if item["extra"] else []
    if item["matched"]:
        parts += [
            f"lowest mask IoU {item['min_mask_iou']:.4f}",
            f"largest difference of score {_small(item['max_score_difference'])}",
        ]
    sentence = ", ".join(parts) + "."
    pictures = item["pictures"]
    if pictures is None:
        return f"No visible difference on any image. The largest is in {sentence}"
    pixels = (
        f" Pixels only in the reference: {pictures['only_reference']}, only in the model: {pictures['only_model']}."
    )
    return sentence + pixels


def _small(value: float) -> str:
    return f"{value:.4f}" if value >= 0.0001 else "below 0.0001"


def _count(number: int, what: str) -> str:
    return f"{number} {what}" + ("" if number == 1 else "s")


def machine_facts(hardware: Json) -> list[tuple[str, str]]:
    """The machine and its software."""
    memory = hardware["memory_bytes"]
    return [
        ("Processor", f"{hardware['cpu']}, {_count(hardware['cores'], 'core')}"),
        ("Memory", f"{memory / 2**30:.1f} GiB" if memory else ABSENT),
        ("GPU", hardware["gpu"] or "no NVIDIA GPU"),
        ("System", hardware["system"]),
        ("yolact-deploy", hardware["tool_version"]),
        *((title, version) for title, version in hardware["versions"].items()),
    ]


def option_facts(options: Json) -> list[tuple[str, str]]:
    """What the command was told; what was left at "decide yourself" is left out."""
    facts = []
    for name, value in options.items():
        if value is None or value is False or value == [] or name == "draws_differences":  # this page is why
            continue
        value = "yes" if value is True else value
        shown = value.get("name", "") if isinstance(value, dict) else value
        shown = ", ".join(map(str, shown)) if isinstance(shown, list) else str(shown)
        facts.append((name.replace("_", " "), shown))
    return facts
