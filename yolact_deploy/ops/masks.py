"""Masks as models give them -> masks at image size on the host, without a framework."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ..errors import ImageError
from ..formats.window import NO_PIXEL, MaskWindow, mask_window, window_of
from ..types import WORD_BITS, BoolArray, FloatArray, IntArray, NetworkDetections, PackedMasks
from .boxes import crop_windows
from .view import View

MASK_THRESHOLD = 0.5  # a pixel of a soft mask above it belongs to the instance


@dataclass(frozen=True)
class _Axis:
    """Bilinear interpolation along one axis, `align_corners=False`: output i mixes two neighbouring sources."""

    left: IntArray  # [size] source index, never the last unless there is only one
    right: IntArray  # [size]
    left_weight: FloatArray  # [size]
    right_weight: FloatArray  # [size]

    def reach(self, low: int, high: int, limit: int) -> slice:
        """The outputs below `limit` that source pixels [low, high) can touch."""
        start, stop = np.searchsorted(self.left, (low - 1, high), side="left")
        return slice(int(start), min(int(stop), limit))


@functools.lru_cache(maxsize=8)  # a stream has one or two image sizes
def _axis(source: int, size: int) -> _Axis:
    """From `source` to `size` px, at the positions that PyTorch computes in float32."""
    position = (np.arange(size, dtype=np.float32) + np.float32(0.5)) * np.float32(source / size) - np.float32(0.5)
    position = np.clip(position, np.float32(0), np.float32(source - 1))
    left = np.minimum(position.astype(np.int64), max(source - 2, 0))
    right_weight = (position - left).astype(np.float32)
    return _Axis(left, np.minimum(left + 1, source - 1), 1 - right_weight, right_weight)


def boolean_masks(found: NetworkDetections, view: View) -> BoolArray:
    """The masks of `found` as [D,height,width] bool of the image of `view`, whatever size the model gives them.

    Raises ImageError when that many masks of that size do not fit into memory.
    """
    if isinstance(found.masks, PackedMasks):
        return unpack_masks(found.masks, view.height, view.width)
    return masks_at_image_size(found.masks, view.to_seen(found.boxes), view.height, view.width, view.seen)


def mask_windows(found: NetworkDetections, view: View) -> tuple[MaskWindow, ...]:
    """The masks of `found` as `boolean_masks` gives them, each only where it is set."""
    windows = [NO_PIXEL] * len(found)
    if isinstance(found.masks, PackedMasks):
        for index, words in enumerate(found.masks.words):
            high, wide = mask_window(words != 0)
            bits = unpack_masks(PackedMasks(words[None, high, wide]), *_packed_size(high, wide))[0]
            windows[index] = window_of(bits, high.start, wide.start * WORD_BITS)
        return tuple(windows)
    boxes = view.to_seen(found.boxes)
    for index, high, wide, soft in upsampled_windows(found.masks, boxes, view.height, view.width, view.seen):
        windows[index] = window_of(soft > MASK_THRESHOLD, high.start, wide.start)
    return tuple(windows)


def _packed_size(high: slice, wide: slice) -> tuple[int, int]:
    """Height and width in px of a rectangle of words."""
    return high.stop - high.start, (wide.stop - wide.start) * WORD_BITS


def words_of_row(width: int) -> int:
    """How many words each row of packed masks of `width` px takes."""
    return -(-width // WORD_BITS)


def unpack_masks(masks: PackedMasks, height: int, width: int) -> BoolArray:
    """Masks of an image of `height` x `width` px -> [D,height,width] bool. Raises ImageError as `boolean_masks`."""
    count = len(masks)
    assert masks.words.shape[1:] == (height, words_of_row(width)), "masks of another image"
    little = np.ascontiguousarray(masks.words.astype("<i4", copy=False))
    try:
        bits = np.unpackbits(little.view(np.uint8), axis=-1, count=width, bitorder="little")
    except MemoryError:
        raise _too_many(count, height, width) from None
    return bits.view(np.bool_)


def _too_many(count: int, height: int, width: int) -> ImageError:
    return ImageError(
        f"{count} masks of {width}x{height} px need {count * height * width / 2**30:.1f} GiB: "
        "raise the score threshold, or scale the image down"
    )


def masks_at_image_size(
    masks: FloatArray, boxes: FloatArray, height: int, width: int, seen: tuple[int, int] | None = None
) -> BoolArray:
    """Cropped masks at prototype size -> thresholded masks at image size.

    masks [D,Hp,Wp] after sigmoid and crop, boxes [D,4] relative, image size in px; returns [D,height,width] bool.
    seen: see `upsampled_windows`.
    Equals bilinear upsampling of the whole mask (`align_corners=False`) and `> 0.5`, but works only where a mask's
    box lets it be other than zero.

    Raises ImageError when that many masks of that size do not fit into memory.
    """
    try:
        result = np.zeros((len(masks), height, width), np.bool_)
    except MemoryError:
        raise _too_many(len(masks), height, width) from None
    for index, high, wide, soft in upsampled_windows(masks, boxes, height, width, seen):
        np.greater(soft, MASK_THRESHOLD, out=result[index, high, wide])
    return result


def upsampled_windows(
    masks: FloatArray, boxes: FloatArray, height: int, width: int, seen: tuple[int, int] | None = None
) -> Iterator[tuple[int, slice, slice, FloatArray]]:
    """Soft masks at image size, bilinear, `align_corners=False`: masks [D,Hp,Wp], relative boxes [D,4].

    seen: height and width, px, of what masks and boxes are of, where that is more than the image, see `view.View`; the
    rest is not computed. None: the image.

    Of each mask that its box does not leave empty: its index, the rows and columns of the image where it can be other
    than zero, and its values there.
    """
    _, proto_height, proto_width = masks.shape
    if height == 0 or width == 0:
        return
    seen_height, seen_width = seen or (height, width)
    rows, columns = _axis(proto_height, seen_height), _axis(proto_width, seen_width)
    windows = crop_windows(boxes, proto_height, proto_width).tolist()
    for index, (x1, y1, x2, y2) in enumerate(windows):
        if x1 >= x2 or y1 >= y2:
            continue
        high, wide = rows.reach(y1, y2, height), columns.reach(x1, x2, width)
        if high.start >= high.stop or wide.start >= wide.stop:
            continue
        # Weighted sums, not two matrix products: BLAS would be no faster here, and its idle threads spin on the cores
        # that the next image's network needs.
        top, bottom = max(y1 - 1, 0), min(y2 + 1, proto_height)
        strip = _mix(masks[index, top:bottom], columns, wide, first=0, dim=1)
        yield index, high, wide, _mix(strip, rows, high, first=top, dim=0)


def _mix(source: FloatArray, axis: _Axis, outputs: slice, first: int, dim: int) -> FloatArray:
    """The outputs along dimension `dim` of `source` [.,.], which starts at source index `first`."""
    shape = (-1, 1) if dim == 0 else (1, -1)
    mixed = source.take(axis.left[outputs] - first, axis=dim)
    mixed *= axis.left_weight[outputs].reshape(shape)
    right = source.take(axis.right[outputs] - first, axis=dim)
    right *= axis.right_weight[outputs].reshape(shape)
    mixed += right
    return mixed
