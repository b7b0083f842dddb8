"""A table of text cells."""

from __future__ import annotations

from dataclasses import dataclass

ABSENT = "-"


@dataclass(frozen=True)
class TextTable:
    """Cells, the first column set flush left and the others flush right."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
