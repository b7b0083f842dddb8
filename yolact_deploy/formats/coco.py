"""A detection in COCO's words; the format: cocodataset.org, "Data format" and "Results format"."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from ..config import class_names as data_sets
from .polygons import mask_polygons
from .rle import encode_rle
from .window import MaskWindow

# COCO numbers its 80 categories 1 to 90; these are not in use.
_UNUSED_COCO_IDS = frozenset((12, 26, 29, 30, 45, 66, 68, 69, 71, 83))
_NO_AREA = [0.0] * 6  # a triangle without a pixel, for masks without one: pycocotools takes no empty list of polygons


def category_ids(class_names: Sequence[str]) -> tuple[int, ...]:
    """The category id of each class: COCO's own for COCO's classes, else 1, 2, 3 in the order of the classes."""
    if tuple(class_names) == data_sets.COCO:
        return tuple(number for number in range(1, 91) if number not in _UNUSED_COCO_IDS)
    return tuple(range(1, len(class_names) + 1))


def corner_and_size(box: Iterable[int]) -> list[int]:
    """x1 y1 x2 y2 -> x, y, width, height, px: COCO's `bbox`."""
    x1, y1, x2, y2 = (int(value) for value in box)
    return [x1, y1, x2 - x1, y2 - y1]


def exact(score: Any) -> float:
    """A float32 in the fewest digits that still are that float32: rounding would make ties."""
    return float(str(score))


def segmentation(mask: MaskWindow, height: int, width: int, as_polygons: bool = False) -> Any:
    """COCO's `segmentation` of an image of height x width px: compressed run lengths, or polygons in px."""
    if as_polygons:
        return mask_polygons(mask) or [_NO_AREA]
    return {"size": [height, width], "counts": encode_rle(mask, height, width)}
