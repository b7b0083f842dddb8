"""Polygons give the mask back, with its holes, and need few corners."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.extra import numpy as arrays

from yolact_deploy.formats.polygons import mask_polygons
from yolact_deploy.formats.window import window_of
from yolact_deploy.types import BoolArray

coding = pytest.importorskip("pycocotools.mask")


def test_polygons_follow_the_edges_of_pixels() -> None:
    mask = np.zeros((40, 50), np.bool_)
    assert mask_polygons(window_of(mask)) == []
    mask[5, 7] = mask[10:20, 12:30] = True
    corners = [
        {tuple(point) for point in np.reshape(polygon, (-1, 2)).tolist()} for polygon in mask_polygons(window_of(mask))
    ]
    assert {(7, 5), (8, 5), (8, 6), (7, 6)} in corners
    assert {(12, 10), (30, 10), (30, 20), (12, 20)} in corners


@pytest.mark.parametrize(("tolerance", "lowest_iou"), [(0.0, 1.0), (None, 0.97)])
def test_polygons_give_the_mask_back(tolerance: float | None, lowest_iou: float) -> None:
    drawn = np.zeros((300, 400), np.uint8)
    cv2.fillPoly(drawn, [np.array([[30, 20], [380, 90], [200, 150], [350, 290], [20, 250], [90, 130]], np.int32)], 1)
    polygons = mask_polygons(window_of(drawn > 0), tolerance)
    again = coding.decode(coding.merge(coding.frPyObjects(polygons, 300, 400)))
    assert (again & drawn).sum() / (again | drawn).sum() >= lowest_iou


def filled(polygons: list[list[float]], mask: BoolArray) -> BoolArray:
    """What pycocotools makes of polygons."""
    return coding.decode(coding.merge(coding.frPyObjects(polygons, *mask.shape))) > 0


@settings(max_examples=150)
@given(arrays.arrays(np.bool_, arrays.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=25)))
def test_polygons_without_tolerance_are_the_mask(mask: BoolArray) -> None:
    polygons = mask_polygons(window_of(mask), tolerance=0)
    if not mask.any():
        assert polygons == []
    else:
        np.testing.assert_array_equal(filled(polygons, mask), mask)


def test_polygons_keep_holes_and_what_lies_in_them() -> None:
    mask = np.zeros((100, 120), np.bool_)
    mask[10:90, 10:90] = True
    mask[30:60, 30:60] = False
    mask[40:50, 40:50] = True  # an island
    mask[44, 44] = False
    mask[70:80, 20:80] = False
    polygons = mask_polygons(window_of(mask))
    assert len(polygons) == 2
    np.testing.assert_array_equal(filled(polygons, mask), mask)


@pytest.mark.parametrize(("radius", "most_corners", "lowest_iou"), [(6, 60, 0.99), (45, 80, 0.98), (180, 200, 0.99)])
def test_polygons_of_small_and_large_rings(radius: int, most_corners: int, lowest_iou: float) -> None:
    drawn = np.zeros((400, 400), np.uint8)
    cv2.circle(drawn, (200, 200), radius, 1, -1)
    cv2.circle(drawn, (200, 200), radius // 2, 0, -1)
    (polygon,) = mask_polygons(window_of(drawn > 0))
    assert len(polygon) / 2 <= most_corners
    again = filled([polygon], drawn)
    assert (again & (drawn > 0)).sum() / (again | (drawn > 0)).sum() >= lowest_iou
