"""Masks as polygons along the edges of their pixels."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from .window import MaskWindow

IntArray = npt.NDArray[np.int64]

# How far an outline may be off to need fewer corners: a share of the mask's side, within limits, px.
_TOLERANCE_SHARE, _TOLERANCE_MIN, _TOLERANCE_MAX = 0.01, 0.5, 1.0
_MIN_CORNERS = 3
_PARENT = 3  # column of OpenCV's contour hierarchy


def mask_polygons(mask: MaskWindow, tolerance: float | None = None) -> list[list[float]]:
    """The outlines of a mask, one polygon a connected part, each as [x1, y1, x2, y2, ...] in image px.

    A pixel covers [x, x+1): a mask of one pixel is a square of side 1. COCO's polygons know no holes, so each hole is
    joined to the outline around it by a line that is gone along twice: filled by the even-odd rule, as pycocotools does
    it, the line vanishes and the hole stays.
    tolerance: how far, in px, the outline may be off to need fewer corners; None for 0.5 on small masks to 1 on large
    ones, 0 for the mask itself.
    """
    # At twice the size the first and the last pixel of a run differ, so its two edges can be told apart.
    part = mask.inside.view(np.uint8).repeat(2, axis=0).repeat(2, axis=1)
    if part.size == 0:
        return []
    if tolerance is None:
        side = np.sqrt(part.size) / 2
        tolerance = float(np.clip(_TOLERANCE_SHARE * side, _TOLERANCE_MIN, _TOLERANCE_MAX))
    outlines, hierarchy = cv2.findContours(part, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    parents = hierarchy[0, :, _PARENT].tolist()
    rings = {index: _corners(outlines[index], tolerance) for index, parent in enumerate(parents) if parent < 0}
    for index, parent in enumerate(parents):
        if parent >= 0:
            rings[parent] = _with_hole(rings[parent], _corners(outlines[index], tolerance))
    origin = np.array((mask.columns.start, mask.rows.start))
    return [(ring + origin).astype(np.float64).reshape(-1).tolist() for ring in rings.values()]


def _corners(outline: np.ndarray, tolerance: float) -> IntArray:
    """An outline [N,1,2] of the doubled mask -> corners [n,2] on the edges of the mask's own pixels."""
    edge = (outline[:, 0] + 1) // 2
    fewer = cv2.approxPolyDP(edge, tolerance, closed=True)[:, 0]
    corners = fewer if len(fewer) >= _MIN_CORNERS else cv2.approxPolyDP(edge, 0, closed=True)[:, 0]
    return np.asarray(corners, np.int64)


def _with_hole(ring: IntArray, hole: IntArray) -> IntArray:
    """One ring that goes from its corner nearest to the hole's first to the hole, around it, and back."""
    leave = int(np.square(ring - hole[0]).sum(axis=1).argmin())
    return np.concatenate((ring[: leave + 1], hole, hole[:1], ring[leave:]))
