"""Small files in which Linux tells numbers; what cannot be read is not told."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path


def read_text(path: Path) -> str | None:
    """The text of a file without its end of line; None when it cannot be read."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip("\0\n ")
    except OSError:
        return None


def read_number(path: Path) -> int | None:
    """The whole number in a file; None when there is none."""
    try:
        return int(read_text(path) or "")
    except ValueError:
        return None


def numbers(paths: Iterable[Path]) -> list[int]:
    """The numbers of the files that have one."""
    return [value for path in paths if (value := read_number(path)) is not None]
