"""Masks as run lengths in COCO's compressed form, byte for byte as pycocotools writes them, without needing it.

The form: a mask is read column by column; the lengths of its runs, zeros first, are written as signed numbers, each
(from the fourth on) as the difference to the one two before it; a number is cut into groups of 5 bits, lowest first,
each group with a bit that says whether another follows, as the character with that value plus 48.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from .window import MaskWindow, window_of

IntArray = npt.NDArray[np.int64]

_GROUP_BITS = 5
_SIGN_BIT = 1 << (_GROUP_BITS - 1)
_MORE_BIT = 1 << _GROUP_BITS
_FIRST_CHARACTER = 48
_MAX_GROUPS = 10  # of a number: more do not fit 64 bits


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


def decode_rle(counts: str, height: int, width: int) -> MaskWindow:
    """The inverse of `encode_rle`. Raises ValueError for what is no mask of height x width px."""
    values = np.frombuffer(counts.encode("ascii"), np.uint8).astype(np.int64) - _FIRST_CHARACTER
    ends = np.flatnonzero((values & _MORE_BIT) == 0)
    if values.size == 0 or ends.size == 0 or ends[-1] != values.size - 1 or values.min() < 0 or values.max() > 63:
        raise ValueError("not run lengths in COCO's compressed form")
    starts = np.concatenate(([0], ends[:-1] + 1))
    place = np.arange(values.size) - np.repeat(starts, ends - starts + 1)  # of each group in its number
    if place.max() > _MAX_GROUPS:
        raise ValueError("a run length is too long")
    lengths = np.add.reduceat((values & (_MORE_BIT - 1)) << (_GROUP_BITS * place), starts)
    is_negative = (values[ends] & _SIGN_BIT) != 0
    lengths -= np.where(is_negative, np.int64(1) << (_GROUP_BITS * (ends - starts + 1)), 0)
    for first in (1, 2):  # each is the difference to the one two before it, from the fourth on
        lengths[first::2] = lengths[first::2].cumsum()
    if lengths.min() < 0 or int(lengths.sum()) != height * width:
        raise ValueError(f"run lengths of another size than {width}x{height} px")
    return _window(lengths, height)


def _window(lengths: IntArray, height: int) -> MaskWindow:
    """The smallest rectangle that holds the ones of run lengths (zeros first)."""
    edges = lengths.cumsum()
    begins, ends = edges[: edges.size - 1 : 2], edges[1::2]
    begins, ends = begins[ends > begins], ends[ends > begins]
    left = int(begins[0]) // height if begins.size else 0
    right = (int(ends[-1]) - 1) // height + 1 if begins.size else 0
    steps = np.zeros((right - left) * height + 1, np.int8)
    np.add.at(steps, begins - left * height, 1)
    np.add.at(steps, ends - left * height, -1)
    columns = steps[:-1].cumsum(dtype=np.int8).astype(np.bool_).reshape(right - left, height)
    return window_of(columns.T, 0, left)
