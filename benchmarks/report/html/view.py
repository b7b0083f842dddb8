"""A model of a report's JSON (`report.to_json`) as the page refers to it, and numbers as the page writes them."""

from __future__ import annotations

import math
import string
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from yolact_deploy.benchmarks.accuracy.parity import POINT
from yolact_deploy.benchmarks.report.html.charts import Series
from yolact_deploy.benchmarks.report.html.svg import SERIES_COLOURS
from yolact_deploy.console import size_text

Json = dict[str, Any]

ABSENT = "–"  # noqa: RUF001 an en dash is meant
MINUS = "\N{MINUS SIGN}"
KINDS = ("box", "mask")
_MIB = 1 << 20


@dataclass(frozen=True)
class ModelView:
    """A model of the JSON, and what stands for it in charts."""

    index: int
    json: Json

    @property
    def letter(self) -> str:
        """A, B, ... Z, A1, ..."""
        round_number, place = divmod(self.index, len(string.ascii_uppercase))
        return string.ascii_uppercase[place] + (str(round_number) if round_number else "")

    @property
    def colour(self) -> int:
        """Number of its CSS variable, from 1."""
        return self.index % SERIES_COLOURS + 1

    @property
    def name(self) -> str:
        """As the whole report names it."""
        return self.json["name"]

    @property
    def latency(self) -> Json:
        """End to end."""
        return self.json["timing"]["end_to_end"]

    @property
    def fps(self) -> float:
        """End to end, at the median."""
        return self.json["timing"]["end_to_end_fps"]

    def ap(self, kind: str, which: str = "ap") -> float | None:
        """Points."""
        return points(self.json["accuracy"][kind][which])

    def series(self, x: Sequence[float], y: Sequence[float]) -> Series:
        """Values of this model for a chart."""
        return Series(self.index, self.letter, x, y)


def points(value: float | None) -> float | None:
    """A fraction as points of AP."""
    return None if value is None else value / POINT


def text(value: float | None, digits: int = 2, sign: bool = False) -> str:
    """A number, "–" where there is none."""
    if value is None or not math.isfinite(value):
        return ABSENT
    value = round(value, digits) + 0.0  # no minus before a zero
    written = f"{value:{'+' if sign and value else ''}.{digits}f}"
    return written.replace("-", MINUS)


def percent(value: float | None) -> str:
    """A fraction as per cent."""
    return ABSENT if value is None else f"{value:.2%}".replace("%", " %")


def memory_text(model: Json) -> str:
    """Peak memory."""
    return f"{model['memory']['peak_bytes'] / _MIB:.0f} MiB" if model["memory"] else ABSENT


def file_text(model: Json) -> str:
    """File size."""
    return size_text(model["file_bytes"])
