"""Ids of pictures in JSON files: from the picture's name alone, whatever else is in its folder."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from pathlib import PurePath

from ..errors import DataError

_NUMBER = re.compile(r"[0-9]{1,15}")
_HASH_BYTES = 6
_FIRST_HASHED = 1 << 52  # above every number of 15 digits; sums stay below 2^53, which every JSON reader holds exactly


def image_id(name: str) -> int:
    """The number that the file name is, as in COCO ("000000397133.jpg" -> 397133); for any other name a number made
    from the SHA-256 of `name` (its path inside the source), 2^52 or more."""
    stem = PurePath(name).stem
    if _NUMBER.fullmatch(stem):
        return int(stem)
    digest = hashlib.sha256(name.encode("utf-8", "surrogateescape")).digest()
    return _FIRST_HASHED + int.from_bytes(digest[:_HASH_BYTES], "big")


def check_distinct(names: Sequence[str]) -> None:
    """Raises DataError for two pictures with one id, such as 7.jpg and 007.png."""
    first: dict[int, str] = {}
    for name in names:
        other = first.setdefault(image_id(name), name)
        if other != name:
            raise DataError(
                f"{other} and {name} would both have the image id {image_id(name)}: rename one, or pass --annotations"
            )
