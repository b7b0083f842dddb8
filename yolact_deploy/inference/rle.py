"""Masks as run lengths in COCO's compressed form, byte for byte as pycocotools writes them, without needing it.

The form: a mask is read column by column; the lengths of its runs, zeros first, are written as signed numbers, each
(from the fourth on) as the difference to the one two before it; a number is cut into groups of 5 bits, lowest first,
each group with a bit that says whether another follows, as the character with that value plus 48.
"""

from __future__ import annotations

import numpy as np

from ..masks import mask_window
from ..types import BoolArray, IntArray

_GROUP_BITS = 5
_SIGN_BIT = 1 << (_GROUP_BITS - 1)
_MORE_BIT = 1 << _GROUP_BITS
_FIRST_CHARACTER = 48


def run_lengths(mask: BoolArray) -> IntArray:
    """Run lengths of a mask [H,W], column by column, zeros first."""
    height = mask.shape[0]
    columns = mask_window(mask)[1]
    part = np.ascontiguousarray(mask[:, columns].T).reshape(-1)  # only the columns where something is set
    is_change = np.empty(part.size + 1, np.bool_)
    is_change[1:-1] = part[1:] != part[:-1]
    is_change[0], is_change[-1] = (part[0], part[-1]) if part.size else (False, False)
    changes = np.flatnonzero(is_change) + columns.start * height
    return (
        np.diff(changes, prepend=0, append=mask.size)
        if _ends_in_zeros(changes, mask.size)
        else np.diff(changes, prepend=0)
    )


def _ends_in_zeros(changes: IntArray, size: int) -> bool:
    return changes.size == 0 or int(changes[-1]) < size


def encode_rle(mask: BoolArray) -> str:
    """A mask [H,W] in the compressed form, the `counts` of {"size": [H, W], "counts": ...}."""
    rest = run_lengths(mask)
    rest[3:] -= rest[1:-2].copy()
    groups: list[IntArray] = []
    is_open = np.ones(rest.shape, np.bool_)  # numbers that are not yet written whole
    while is_open.any():
        bits = rest & (_MORE_BIT - 1)
        rest = rest >> _GROUP_BITS
        needs_more = np.where(bits & _SIGN_BIT, rest != -1, rest != 0)
        characters = bits + _FIRST_CHARACTER + np.where(needs_more, _MORE_BIT, 0)
        groups.append(np.where(is_open, characters, 0))
        is_open &= needs_more
    text = np.stack(groups, axis=1).astype(np.uint8) if groups else np.zeros((0, 0), np.uint8)
    return text[text != 0].tobytes().decode("ascii")
