"""A file that lists pictures."""

from __future__ import annotations

import os
from pathlib import Path

from ..errors import ImageError
from .frames import Note
from .picture_sources import FoundPictures

_BYTE_ORDER_MARK = "\ufeff"


def listed_pictures(file: Path, root: Path, note: Note) -> FoundPictures:
    """The pictures that `file` names, one per line, or with a zero byte between names as `find -print0` writes them.

    Names are relative to `root`; they need not exist: what cannot be read is a failure later. Those that are named
    twice count once, and that is said. Raises ImageError when the file cannot be read or names nothing.
    """
    try:
        text = file.read_bytes().decode("utf-8", "surrogateescape").removeprefix(_BYTE_ORDER_MARK)
    except OSError as error:
        raise ImageError(f"cannot read the list {file}: {error.strerror or error}") from None
    lines = text.split("\0") if "\0" in text else [line.removesuffix("\r") for line in text.split("\n")]
    names = [os.path.normpath(line) for line in lines if line.strip()]
    distinct = tuple(dict.fromkeys(names))
    if not distinct:
        raise ImageError(f"the list {file} names no picture: write one path per line")
    if len(distinct) < len(names):
        note(f"{file} names {len(names) - len(distinct)} pictures more than once: each is taken once")
    return FoundPictures(tuple(root / name for name in distinct), distinct, root)
