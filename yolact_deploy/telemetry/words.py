"""Telemetry as a report shows it: rows of a table, explanations, alarms."""

from __future__ import annotations

from collections.abc import Sequence

from .summary import Spread, Telemetry, Watched

TITLE = "Power and temperature, end to end: W, J an image, °C, MHz"
COLUMNS = ("model", "of", "W", "J/image", "images/J", "°C", "MHz", "throttled")
UNKNOWN = "-"

Named = Sequence[tuple[str, Telemetry | None]]  # models' names and what is known of each


def rows(models: Named) -> tuple[tuple[str, ...], ...]:
    """The cells of COLUMNS, a row for each source of each model; empty when nothing is known."""
    return tuple(
        (name if position == 0 else "", *_cells(watched))
        for name, telemetry in models
        for position, watched in enumerate(telemetry.watched if telemetry else ())
    )


def explanations(models: Named) -> list[str]:
    """What the numbers are of, a line each, every line once."""
    lines = [watched.describe() for _, telemetry in models if telemetry for watched in telemetry.watched]
    return list(dict.fromkeys(lines))


def alarms(models: Named) -> list[str]:
    """One for each model that was throttled."""
    return [
        f"{name} ran throttled ({'; '.join(telemetry.throttling)}): its times are not typical"
        for name, telemetry in models
        if telemetry and telemetry.throttling
    ]


def _cells(watched: Watched) -> tuple[str, ...]:
    throttled = UNKNOWN if watched.throttling is None else "YES" if watched.throttling else "no"
    clock = _range(watched.clock)
    return (
        watched.source.removeprefix("NVIDIA "),
        _number(watched.power.mean if watched.power else None),
        _number(watched.joules_per_image),
        _number(watched.images_per_joule),
        _range(watched.temperature),
        f"{clock} of {watched.max_clock:.0f}" if watched.clock and watched.max_clock else clock,
        throttled,
    )


def _number(value: float | None) -> str:
    """Three digits that count."""
    if value is None:
        return UNKNOWN
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:#.3g}".rstrip(".")


def _range(spread: Spread | None) -> str:
    """From the lowest to the highest."""
    if spread is None:
        return UNKNOWN
    low, high = f"{spread.low:.0f}", f"{spread.high:.0f}"
    return low if low == high else f"{low}-{high}"
