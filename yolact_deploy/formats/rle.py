"""Masks as run lengths in COCO's compressed form, byte for byte as pycocotools writes them, without needing it.

The form: a mask is read column by column; the lengths of its runs, zeros first, are written as signed numbers, each
(from the fourth on) as the difference to the one two before it; a number is cut into groups of 5 bits, lowest first,
each group with a bit that says whether another follows, as the character with that value plus 48.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from .window import MaskWindow

IntArray = npt.NDArray[np.int64]

_GROUP_BITS = 5
_SIGN_BIT = 1 << (_GROUP_BITS - 1)
_MORE_BIT = 1 << _GROUP_BITS
_FIRST_CHARACTER = 48


def run_lengths(mask: MaskWindow, height: int, width: int) -> IntArray:
    """Run lengths of a mask of height x width px, column by column, zeros first."""
    columns = np.zeros((mask.inside.shape[1], height), np.bool_)  # only those where something is set
    columns[:, mask.rows] = mask.inside.T
    part = columns.reshape(-1)
    is_change = np.empty(part.size + 1, np.bool_)
    is_change[1:-1] = part[1:] != part[:-1]
    is_change[0], is_change[-1] = (part[0], part[-1]) if part.size else (False, False)
    changes = np.flatnonzero(is_change) + mask.columns.start * height
    return (
        np.diff(changes, prepend=0, append=height * width)
        if _ends_in_zeros(changes, height * width)
        else np.diff(changes, prepend=0)
    )


def _ends_in_zeros(changes: IntArray, size: int) -> bool:
    return changes.size == 0 or int(changes[-1]) < size


def encode_rle(mask: MaskWindow, height: int, width: int) -> str:
    """A mask of height x width px in the compressed form, the `counts` of {"size": [H, W], "counts": ...}."""
    rest = run_lengths(mask, height, width)
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
