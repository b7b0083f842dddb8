"""A table of a report, and how its cells write numbers. The terminal, Markdown and HTML show the same tables."""

from __future__ import annotations

import math
from dataclasses import dataclass

ABSENT = "-"
DIGITS = 3  # significant ones: a slow model runs at 0.043 FPS, not at 0.0
MAX_DECIMALS = 6


@dataclass(frozen=True)
class Column:
    """A column: its head, and how to show its cells."""

    name: str
    unit: str = ""  # "ms", "MiB", "points"; empty for counts and texts
    is_text: bool = False  # texts are set flush left, numbers flush right
    full: float | None = None  # value of a full bar in the HTML report; None: no bar
    model: str = ""  # the model that the column is about, where there is one per model

    @property
    def title(self) -> str:
        """The head in one line."""
        return " ".join(part for part in (self.model, self.name) if part) + (f", {self.unit}" if self.unit else "")


@dataclass(frozen=True)
class Table:
    """Cells as texts. The first column of most tables is MODEL; a row with an empty one continues the row above."""

    key: str  # where a page shows it: "summary", "latency", ...
    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[str, ...], ...]


MODEL = Column("model", is_text=True)


def number(value: float | None, sign: bool = False) -> str:
    """A number with DIGITS significant digits, or all digits of its whole part; ABSENT for None and what is not
    finite."""
    if value is None or not math.isfinite(value):
        return ABSENT
    rounded = float(f"{value:.{DIGITS}g}")
    magnitude = math.floor(math.log10(abs(rounded))) if rounded else 0
    decimals = min(max(DIGITS - 1 - magnitude, 0), MAX_DECIMALS)
    return fixed(value, decimals, sign)


def fixed(value: float | None, decimals: int, sign: bool = False) -> str:
    """A number with so many decimals; ABSENT for None and what is not finite."""
    if value is None or not math.isfinite(value):
        return ABSENT
    return f"{round(value, decimals) + 0.0:{'+' if sign else ''}.{decimals}f}"  # + 0.0: no minus before a zero


def percent(share: float | None, decimals: int = 2) -> str:
    """A share of 0..1 in percent."""
    return ABSENT if share is None else f"{share:.{decimals}%}"


def mib(size_bytes: int | None) -> str:
    """A size in MiB, without the unit."""
    return ABSENT if size_bytes is None else number(size_bytes / (1 << 20))


def span(low: float | None, high: float | None, decimals: int | None = None) -> str:
    """From the lowest to the highest value. decimals: None for significant digits."""
    texts = [number(value) if decimals is None else fixed(value, decimals) for value in (low, high)]
    return texts[0] if texts[0] == texts[1] else "-".join(texts)
