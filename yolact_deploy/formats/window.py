"""A mask at image size as its smallest rectangle, which takes less time and memory than all of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class MaskWindow:
    """A mask at image size, of which only the smallest rectangle that holds all of it is kept."""

    rows: slice  # of the image
    columns: slice
    inside: BoolArray  # [rows, columns]


NO_PIXEL = MaskWindow(slice(0, 0), slice(0, 0), np.zeros((0, 0), np.bool_))


def mask_window(mask: BoolArray) -> tuple[slice, slice]:
    """Rows and columns of the smallest rectangle that holds all of a mask [H,W]; empty slices when nothing is set."""
    rows = np.flatnonzero(mask.any(axis=1))
    if rows.size == 0:
        return slice(0, 0), slice(0, 0)
    high = slice(int(rows[0]), int(rows[-1]) + 1)
    columns = np.flatnonzero(mask[high].any(axis=0))
    return high, slice(int(columns[0]), int(columns[-1]) + 1)


def window_of(mask: BoolArray, top: int = 0, left: int = 0) -> MaskWindow:
    """The smallest window that holds all of `mask`, whose own first pixel is the image's (`top`, `left`)."""
    high, wide = mask_window(mask)
    inside = mask[high, wide]
    if inside.size == 0:
        return NO_PIXEL
    rows, columns = slice(top + high.start, top + high.stop), slice(left + wide.start, left + wide.stop)
    return MaskWindow(rows, columns, np.ascontiguousarray(inside))
