"""Tables that not every report has: under load, and what the machine said of itself. Cells are texts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from yolact_deploy.benchmarks.report.html.view import ABSENT, Json, ModelView, text

_EN_DASH = "\N{EN DASH}"


@dataclass(frozen=True)
class Table:
    """Rows of a model each, or of one of several things about it."""

    columns: tuple[str, ...]  # without the model's
    rows: tuple[tuple[ModelView, tuple[str, ...]], ...]


def load_table(models: Sequence[ModelView]) -> Table:
    """How well rounds repeat, throughput back to back, and latency when frames arrive at a fixed rate; without rows
    where none of it is known, without columns of what is not."""
    timings = [model.json["timing"] for model in models]
    spans = [round_span(model.latency) for model in models]
    has_rounds, has_arrivals = any(spans), any(timing.get("arrivals") for timing in timings)
    columns = (
        *(("p50 of rounds, ms",) * has_rounds),
        *("callers", "FPS back to back"),
        *(("target FPS", "p50, ms", "p99, ms", "late", "dropped") * has_arrivals),
    )
    rows = tuple(
        (
            model,
            (*((span or ABSENT,) * has_rounds), *_throughput(load), *(_arrivals(timing["arrivals"]) * has_arrivals)),
        )
        for model, timing, span in zip(models, timings, spans, strict=True)
        if (load := timing.get("throughput"))
    )
    return Table(columns, rows)


def _throughput(load: Json) -> tuple[str, ...]:
    return str(load["streams"]), text(load["fps"], 1)


def _arrivals(load: Json | None) -> tuple[str, ...]:
    if not load:
        return (ABSENT,) * 5
    latency = load["latency"]
    counts = (f"{load[name]} of {load['images']}" for name in ("late", "dropped"))
    return text(load["target_fps"], 1), text(latency["p50"]), text(latency["p99"]), *counts


def power_table(models: Sequence[ModelView]) -> Table:
    """Power, energy, temperature and clocks while a model was timed, a row for each source that said something."""
    columns = ("of", "W", "J an image", "°C", "MHz", "throttled")
    rows = tuple(
        (model, (watched["source"], *_watched(watched)))
        for model in models
        for watched in (model.json.get("telemetry") or {}).get("watched", ())
    )
    return Table(columns, rows)


def _watched(watched: Json) -> tuple[str, ...]:
    power, reasons = watched["power"], watched["throttling"]
    throttled = ABSENT if reasons is None else ", ".join(reason["reason"] for reason in reasons) or "no"
    return (
        text(power["mean"] if power else None, 1),
        text(watched["joules_per_image"], 3),
        _span(watched["temperature"]),
        _span(watched["clock"]),
        throttled,
    )


def power_notes(models: Sequence[ModelView]) -> list[str]:
    """Who told the numbers of `power_table`, and what they are of; each line once."""
    lines = []
    for model in models:
        for watched in (model.json.get("telemetry") or {}).get("watched", ()):
            parts = [f"told by {watched['tool']}", watched["power_mode"] or ""]
            parts += [f"power is of {watched['power_of']}"] if watched["power_of"] else []
            parts += [f"energy by {watched['energy_from']}, idle power included"] if watched["energy_from"] else []
            lines.append(f"{watched['source']}: {', '.join(part for part in parts if part)}")
    return list(dict.fromkeys(lines))


def round_span(latency: Json) -> str:
    """From the fastest round's median to the slowest one's; empty when there was only one round."""
    rounds = latency.get("rounds") or []
    return f"{text(min(rounds))}{_EN_DASH}{text(max(rounds))}" if len(rounds) > 1 else ""


def _span(spread: Json | None) -> str:
    if not spread:
        return ABSENT
    low, high = text(spread["low"], 0), text(spread["high"], 0)
    return low if low == high else f"{low}{_EN_DASH}{high}"
