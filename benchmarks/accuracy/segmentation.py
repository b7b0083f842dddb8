"""Polygons and run lengths of COCO annotations, checked: pycocotools ends the process, or reads past its memory, on
what is malformed."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

MAX_COORDINATE = 1 << 20  # px: pycocotools computes in 32 bits, five steps per pixel
MAX_POLYGON_LENGTH = 1 << 20  # px around: pycocotools takes about 200 bytes per pixel
_MIN_POLYGON_NUMBERS = 6  # three corners
_MAX_SHIFT = 40  # bits of a number in compressed run lengths: more than any pixel count
_SHOWN_CHARACTERS, _SHOWN_VALUES = 60, 8  # of a value in a message


class EntryError(Exception):
    """What is wrong with one entry of a data set."""

    def __init__(self, kind: str, problem: str) -> None:
        """kind: groups faults of the same kind; problem: what follows the entry's place in a message."""
        super().__init__(problem)
        self.kind = kind
        self.problem = problem


def check_segmentation(segmentation: Any, height: int, width: int) -> None:
    """Make sure that it is polygons, or run lengths of an image of this size, px. Raises EntryError."""
    if isinstance(segmentation, list) and segmentation:
        for polygon in segmentation:
            _check_polygon(polygon)
        return
    if not isinstance(segmentation, dict):
        raise EntryError(
            "segmentation",
            f"has segmentation {kind_of(segmentation)}, expected polygons or run lengths (masks are needed)",
        )
    if segmentation.get("size") != [height, width]:
        raise EntryError(
            "size",
            f"has run lengths of size {kind_of(segmentation.get('size'))}, its image has height and width "
            f"{[height, width]}",
        )
    counts = segmentation.get("counts")
    if isinstance(counts, str):
        counts = _decoded_counts(counts)
    if not isinstance(counts, list) or not all(is_integer(count) and count >= 0 for count in counts):
        raise EntryError("counts", "has run lengths whose counts are neither a text nor a list of whole numbers")
    if sum(counts) != height * width:
        raise EntryError("pixels", f"has run lengths for {kind_of(sum(counts))} pixels, its image has {height * width}")


def _check_polygon(polygon: Any) -> None:
    if not are_numbers(polygon) or len(polygon) < _MIN_POLYGON_NUMBERS or len(polygon) % 2:
        raise EntryError("polygon", "has a polygon in segmentation that is no list of three or more x, y pairs")
    if not are_numbers(polygon, MAX_COORDINATE):
        raise EntryError("coordinate", f"has a polygon with a coordinate beyond {MAX_COORDINATE} px")
    corners = list(zip(polygon[::2], polygon[1::2], strict=True))
    length = sum(max(abs(x - a), abs(y - b)) for (x, y), (a, b) in pairwise([*corners, corners[0]]))
    if length > MAX_POLYGON_LENGTH:
        raise EntryError("length", f"has a polygon that is more than {MAX_POLYGON_LENGTH} px around")


def _decoded_counts(text: str) -> list[int]:
    """The run lengths in COCO's compressed text: 5 bits per character, low first, differences to the count before last.

    As `rleFrString` of pycocotools (maskApi.c), which trusts its input.
    """
    counts: list[int] = []
    value = shift = 0
    for character in text:
        bits = ord(character) - 48
        if not 0 <= bits < 64:
            raise EntryError(
                "character", f"has run lengths with the character {character!a}, which the format does not know"
            )
        value |= (bits & 0x1F) << shift
        shift += 5
        if bits & 0x20:
            if shift > _MAX_SHIFT:
                raise EntryError("number", "has run lengths with a number that is too large")
            continue
        if bits & 0x10:
            value |= -1 << shift
        counts.append(value + counts[-2] if len(counts) > 2 else value)
        value = shift = 0
    if shift:
        raise EntryError("end", "has run lengths that end in the middle of a number")
    return counts


def is_integer(value: Any) -> bool:
    """Whether a JSON value is a whole number."""
    return isinstance(value, int) and not isinstance(value, bool)


def are_numbers(values: Any, limit: float = math.inf) -> bool:
    """Whether a JSON value is a list of finite numbers, none beyond `limit` either way."""
    return isinstance(values, list) and all(
        isinstance(value, (int, float))
        and not isinstance(value, bool)
        and -math.inf < value < math.inf
        and abs(value) <= limit
        for value in values
    )


def kind_of(value: Any) -> str:
    """What a JSON value is, in JSON's words, or the value itself where it is short."""
    if isinstance(value, dict):
        return "an object"
    if value is None:
        return "null"
    if value == []:
        return "an empty list"
    if isinstance(value, int) and abs(value) >= 1 << 64:
        return "a number of many digits"
    shown = ascii(value) if not isinstance(value, list) or len(value) <= _SHOWN_VALUES else ""
    if 0 < len(shown) <= _SHOWN_CHARACTERS:
        return shown
    return f"a text of {len(value)} characters" if isinstance(value, str) else f"a list of {len(value)} values"
