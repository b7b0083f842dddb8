"""Temporary names for files that grow while the pipeline runs."""

from __future__ import annotations

import os
from pathlib import Path

MAX_NAME_BYTES = 255  # of a file name, on the file systems in use


def temporary_beside(path: Path) -> Path:
    """A hidden name in the folder of `path`, with its suffix; short even where the name is not."""
    return path.with_name(f".{os.getpid()}.{abs(hash(path.name)) % 10**8:08d}.part{path.suffix}")


def shortened(stem: str, ending: str) -> str:
    """`stem` + `ending` as a file name that is not too long: the stem loses its end."""
    room = MAX_NAME_BYTES - len(os.fsencode(ending))
    while len(os.fsencode(stem)) > room:
        stem = stem[:-1]
    return stem + ending
