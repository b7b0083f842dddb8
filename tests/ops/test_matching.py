"""Pairing of detections."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from yolact_deploy.ops.boxes import pairwise_iou
from yolact_deploy.ops.matching import match_detections


def test_pairs_need_the_same_class_and_almost_the_same_box() -> None:
    reference = np.array([[0, 0, 100, 100], [0, 0, 100, 100], [200, 200, 300, 300]])
    others = np.array([[200, 200, 300, 311], [0, 0, 100, 99], [0, 0, 100, 100], [0, 0, 100, 112]])
    pairs = match_detections(np.array([1, 2, 3]), reference, np.array([3, 1, 1, 2]), others)
    # The second reference overlaps its class's only box by 100/112 < 0.9, the third by 100/111 > 0.9.
    np.testing.assert_array_equal(pairs, [[0, 2], [2, 0]])


def test_each_is_used_once() -> None:
    box = np.array([[0, 0, 10, 10]])
    pairs = match_detections(np.zeros(2, int), np.repeat(box, 2, 0), np.zeros(1, int), box)
    np.testing.assert_array_equal(pairs, [[0, 0]])


def test_nothing_matches_nothing() -> None:
    empty, none = np.zeros((0, 4)), np.zeros(0, int)
    box, one = np.array([[0, 0, 1, 1]]), np.zeros(1, int)
    for arguments in ((none, empty, none, empty), (none, empty, one, box), (one, box, none, empty)):
        assert match_detections(*arguments).shape == (0, 2)


def test_equal_boxes_without_area_match() -> None:
    box, one = np.array([[5, 5, 5, 9]]), np.zeros(1, int)
    np.testing.assert_array_equal(match_detections(one, box, one, box), [[0, 0]])


boxes = st.lists(st.tuples(*[st.integers(0, 20)] * 4), max_size=5)


@given(boxes, boxes)
def test_iou_equals_counting_pixels(first: list[tuple[int, ...]], second: list[tuple[int, ...]]) -> None:
    def pixels(x1: int, y1: int, x2: int, y2: int) -> set[tuple[int, int]]:
        return {(x, y) for x in range(x1, x2) for y in range(y1, y2)}

    a, b = ([(min(x, u), min(y, v), max(x, u), max(y, v)) for x, y, u, v in some] for some in (first, second))
    iou = pairwise_iou(np.array(a).reshape(-1, 4), np.array(b).reshape(-1, 4))
    for i, box in enumerate(a):
        for j, other in enumerate(b):
            union = pixels(*box) | pixels(*other)
            expected = 1.0 if box == other else len(pixels(*box) & pixels(*other)) / len(union) if union else 0.0
            np.testing.assert_allclose(iou[i, j], expected, rtol=1e-6)
