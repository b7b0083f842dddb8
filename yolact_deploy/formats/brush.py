"""Masks as Label Studio's brush labels hold them: run lengths of RGBA bytes, packed into bits.

The form is that of thi.ng/rle-pack, as `label_studio_sdk.converter.brush` reads it: 32 bits with the number of values,
5 bits with the bits of a value less 1, four times 4 bits with the bits of a length less 1; then for each run a 1, 2
bits that choose one of the four, the length less 1, and the value.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from .rle import run_lengths
from .window import MaskWindow

_CHANNELS = 4  # of a pixel, all alike; the last is what is shown
_VALUE_BITS = 8
_SET = (1 << _VALUE_BITS) - 1
_LENGTH_BITS = np.array((3, 4, 8, 16))
_LONGEST = 1 << int(_LENGTH_BITS[-1])


def encode_brush(mask: MaskWindow, height: int, width: int) -> list[int]:
    """The bytes of a mask of height x width px: the `rle` of a brush label."""
    # Row by row, which is column by column of the mask on its side.
    turned = MaskWindow(mask.columns, mask.rows, mask.inside.T)
    lengths = run_lengths(turned, width, height) * _CHANNELS
    values = np.arange(len(lengths)) % 2 * _SET  # zeros first
    parts = -(-lengths // _LONGEST)  # a run that is too long becomes several
    whole = np.repeat(values, parts)
    sizes = np.full(len(whole), _LONGEST)
    ends = np.cumsum(parts)[parts > 0] - 1
    sizes[ends] = (lengths - (parts - 1) * _LONGEST)[parts > 0]
    return _packed(sizes, whole, height * width * _CHANNELS)


def _packed(lengths: npt.NDArray[np.int64], values: npt.NDArray[np.int64], count: int) -> list[int]:
    header = _bits(np.array([count, _VALUE_BITS - 1, *(_LENGTH_BITS - 1)]), np.array([32, 5, 4, 4, 4, 4]))
    choice = np.searchsorted(1 << _LENGTH_BITS, lengths)
    bits = _LENGTH_BITS[choice]
    runs = (((4 | choice) << bits | lengths - 1) << _VALUE_BITS) | values
    return np.packbits(np.concatenate((header, _bits(runs, 3 + bits + _VALUE_BITS)))).tolist()


def _bits(numbers: npt.NDArray[np.int64], widths: npt.NDArray[np.int64]) -> npt.NDArray[np.uint8]:
    """The lowest `widths` bits of each number, highest first, one after the other."""
    columns = np.arange(int(widths.max(initial=0)) - 1, -1, -1)
    bits = (numbers[:, None] >> columns & 1).astype(np.uint8)
    return bits[columns < widths[:, None]]
