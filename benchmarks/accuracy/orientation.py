"""EXIF orientation against annotations: whether a data set was annotated on pictures as stored or as they are shown.

The size of a picture that EXIF turns by a quarter tells it. Half turns, mirrored and square pictures have the same size
both ways, so all pictures of a data set decide together.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Protocol

from yolact_deploy.errors import ImageError
from yolact_deploy.images import read_image

MAX_EVIDENCE = 200  # pictures that are decoded to compare sizes
_HEAD_BYTES = 1 << 16  # 64 KiB: cameras write EXIF before the pixels
_TIFF_HEADERS = {b"II*\0": "<", b"MM\0*": ">"}  # EXIF is a small TIFF; byte order of each kind
_ORIENTATION_TAG = 0x0112
UPRIGHT = 1


class SizedFile(Protocol):
    """A picture and the size that the annotations give it, px."""

    @property
    def path(self) -> Path: ...

    @property
    def height(self) -> int: ...

    @property
    def width(self) -> int: ...


@dataclass(frozen=True)
class Orientation:
    """What is done with the orientation that EXIF tags name."""

    applies: bool
    note: str = ""  # why, in one line; empty when no picture has one


def decide_orientation(chosen: Iterable[SizedFile], others: Iterable[SizedFile], choice: str = "auto") -> Orientation:
    """What to do with the EXIF orientation of the pictures `chosen`.

    others: the rest of the data set, looked at only when a chosen picture has an orientation. choice: "apply",
    "ignore", or "auto" for the evidence of all sizes together. Unreadable files say nothing here.
    """
    if choice != "auto":
        return Orientation(choice == "apply", f"EXIF orientation {_done(choice == 'apply')}: --exif {choice}")
    turned = [file for file in chosen if has_orientation(file.path)]
    if not turned:
        return Orientation(applies=True)
    shown = stored = 0
    for file in chain(turned, (file for file in others if has_orientation(file.path))):
        size = (file.height, file.width)
        sizes = [_size(file.path, applies) for applies in (True, False)]
        shown += size == sizes[0] != sizes[1]
        stored += size == sizes[1] != sizes[0]
        if shown + stored >= MAX_EVIDENCE:
            break
    applies = shown >= stored
    count = f"{len(turned)} {'picture has' if len(turned) == 1 else 'pictures have'} an orientation tag"
    sizes_say = f"annotated sizes match {shown} pictures as shown, {stored} as stored"
    advice = "" if shown != stored else "; pass --exif ignore if the AP is too low"
    return Orientation(
        applies, f"EXIF orientation {_done(applies)} in the whole data set: {count}, {sizes_say}{advice}"
    )


def has_orientation(path: Path) -> bool:
    """Whether a picture's EXIF tag names another orientation than upright. False for a file that cannot be read."""
    return orientation_of(path) != UPRIGHT


def orientation_of(path: Path) -> int:
    """The orientation that a picture's EXIF tag names, 1 to 8; UPRIGHT for a file without one, or unreadable."""
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
    except OSError:
        return UPRIGHT
    named = (_orientation(head[start:], order) for start, order in _tiff_starts(head))
    return next((value for value in named if value != UPRIGHT), UPRIGHT)


def _tiff_starts(head: bytes) -> Iterator[tuple[int, str]]:
    """Where EXIF may begin in a JPEG, PNG, WebP or AVIF file, or the file itself is a TIFF; and its byte order."""
    for mark in (b"", b"Exif\0\0", b"eXIf", b"EXIF"):
        place = head.find(mark)
        start = place + len(mark) + (4 if mark == b"EXIF" and place >= 0 else 0)  # WebP has the length in between
        order = _TIFF_HEADERS.get(head[start : start + 4])
        if place >= 0 and order:
            yield start, order


def _orientation(tiff: bytes, order: str) -> int:
    """The orientation that the first directory of a TIFF names (TIFF 6.0, section 2); upright where it names none."""
    try:
        (offset,) = struct.unpack_from(order + "I", tiff, 4)
        (count,) = struct.unpack_from(order + "H", tiff, offset)
        for entry in range(offset + 2, offset + 2 + 12 * count, 12):
            tag, _, _, value = struct.unpack_from(order + "HHIH", tiff, entry)
            if tag == _ORIENTATION_TAG:
                return value
    except struct.error:  # cut off
        pass
    return UPRIGHT


def _size(path: Path, applies: bool) -> tuple[int, ...]:
    """Height and width of the decoded picture, px; empty when it cannot be read."""
    try:
        return read_image(path, apply_orientation=applies).shape[:2]
    except ImageError:
        return ()


def _done(applies: bool) -> str:
    return "applied" if applies else "ignored"
