"""What changed since an older run, as the page shows it."""

from __future__ import annotations

from dataclasses import dataclass

from yolact_deploy.benchmarks.accuracy.parity import POINT
from yolact_deploy.benchmarks.report.html.view import ABSENT, Json, text

_STYLES = {"slower": "bad", "worse": "bad", "faster": "good", "better": "good"}


@dataclass(frozen=True)
class ChangeRow:
    """One quantity of one model; cells are texts."""

    model: str  # empty when it is that of the row above
    what: str
    old: str
    new: str
    change: str
    noise: str
    verdict: str
    style: str  # a class of report.css


def change_rows(comparison: Json) -> list[ChangeRow]:
    """A row for each quantity that both runs measured. comparison: as `report.to_json` has it."""
    return [
        _row(model["name"] if index == 0 else "", change)
        for model in comparison["models"]
        for index, change in enumerate(model["changes"])
    ]


def _row(name: str, change: Json) -> ChangeRow:
    values = [change[key] for key in ("old", "new", "change", "band")]
    if change["is_relative"]:
        unit, shares = change["unit"], [None if value is None else value * 100 for value in values[2:]]
        numbers, after, digits = values[:2], " %", 1
    else:
        unit, after, digits = "points", "", 2
        numbers, shares = (
            [None if value is None else value / POINT for value in part] for part in (values[:2], values[2:])
        )
    moved, band = (text(value, digits, sign=index == 0) for index, value in enumerate(shares))
    return ChangeRow(
        model=name,
        what=f"{change['what']}, {unit}",
        old=text(numbers[0]),
        new=text(numbers[1]),
        change=moved if moved == ABSENT else moved + after,
        noise=band if band == ABSENT else f"±{band}{after}",
        verdict=change["verdict"],
        style=_STYLES.get(change["verdict"], ""),
    )
