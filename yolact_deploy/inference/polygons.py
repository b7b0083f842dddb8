"""Masks as polygons along the edges of their pixels."""

from __future__ import annotations

import cv2
import numpy as np

from ..masks import mask_window
from ..types import BoolArray

TOLERANCE = 1.0  # px that a corner may be left out by
_MIN_CORNERS = 3


def mask_polygons(mask: BoolArray, tolerance: float = TOLERANCE) -> list[list[float]]:
    """The outlines of a mask [H,W], one polygon a connected part, each as [x1, y1, x2, y2, ...] in px.

    A pixel covers [x, x+1): a mask of one pixel is a square of side 1. Holes are not told, as in COCO's polygons.
    tolerance: how far, in px, the outline may be off to need fewer corners.
    """
    rows, columns = mask_window(mask)
    # At twice the size the first and the last pixel of a run differ, so its two edges can be told apart.
    part = mask[rows, columns].view(np.uint8).repeat(2, axis=0).repeat(2, axis=1)
    if part.size == 0:
        return []
    outlines, _ = cv2.findContours(part, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    origin = np.array((columns.start, rows.start))
    polygons = []
    for outline in outlines:
        edge = (outline[:, 0] + 1) // 2
        fewer = cv2.approxPolyDP(edge, tolerance, closed=True)[:, 0]
        corners = fewer if len(fewer) >= _MIN_CORNERS else cv2.approxPolyDP(edge, 0, closed=True)[:, 0]
        polygons.append((corners + origin).astype(np.float64).reshape(-1).tolist())
    return polygons
