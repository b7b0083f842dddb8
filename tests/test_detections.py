"""What Python users get: counting, choosing, comparing and writing detections."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest

from tests.rings import SIZE, found_rings
from yolact_deploy.config.class_names import COCO
from yolact_deploy.detections import Detection, Detections
from yolact_deploy.errors import DataError


@pytest.fixture
def found() -> Detections:
    return found_rings()


def test_it_says_what_was_found(found: Detections) -> None:
    assert repr(found) == str(found) == "5 detections: 3 bolt, 2 nut"
    assert repr(found[:1]) == "1 detection: 1 bolt"
    assert repr(Detections.empty(3, 4)) == "0 detections"
    many = Detections(*(np.repeat(value, 4, axis=0) for value in (found.boxes, found.scores, found.scores)),
                      np.arange(20), np.repeat(found.masks, 4, axis=0))  # fmt: skip
    assert repr(many) == "20 detections: " + ", ".join(f"1 class {i}" for i in range(6)) + ", 14 of other classes"
    assert repr(found[0]) == "bolt 0.90, box 2 3 22 23"


def test_names_are_those_of_the_classes(found: Detections) -> None:
    assert found.names.tolist() == ["bolt", "nut", "bolt", "nut", "bolt"]
    assert repr(found[found.names == "nut"]) == "2 detections: 2 nut"
    assert Detections.empty(3, 4).names.shape == (0,)


def test_iterating_gives_each(found: Detections) -> None:
    each = list(found)
    assert [one.name for one in each] == found.names.tolist()
    assert all(isinstance(one, Detection) for one in each)
    for index, one in enumerate(each):
        assert one == found[index] == found[np.int64(index - 5)]
        assert (one.score, one.class_index) == (float(found.scores[index]), found.classes[index])
        np.testing.assert_array_equal(one.mask, found.masks[index])
        np.testing.assert_array_equal(one.box, found.boxes[index])
    assert each[0] != each[1]


@pytest.mark.parametrize(
    ("key", "rows"),
    [
        (slice(1, 3), [1, 2]),
        (slice(None, None, -2), [4, 2, 0]),
        (np.array([True, False, False, True, False]), [0, 3]),
        ([True, False, False, False, True], [0, 4]),
        (np.array([3, 0, 3, -1]), [3, 0, 3, 4]),
        ([1], [1]),
        ([], []),
        (np.zeros(5, np.bool_), []),
    ],
)
def test_some_of_them(found: Detections, key: Any, rows: list[int]) -> None:
    some = found[key]
    assert isinstance(some, Detections)
    assert len(some) == len(rows)
    for name in ("boxes", "scores", "mask_scores", "classes", "masks", "names"):
        np.testing.assert_array_equal(getattr(some, name), getattr(found, name)[np.array(rows, np.int64)])
    assert (some.height, some.width) == SIZE


@pytest.mark.parametrize(
    ("key", "error", "words"),
    [
        (5, IndexError, "from 0 to 4"),
        ([0, 5], IndexError, "from 0 to 4"),
        ([True], IndexError, "1 values for 5 detections"),
        ("bolt", TypeError, "not 'bolt'"),
        (True, TypeError, "not True"),
        (1.0, TypeError, "not 1.0"),
        ([0.5], TypeError, r"not \[0.5\]"),
        (np.zeros((5, 1), np.int64), TypeError, r"shape \[5, 1\]"),
        (None, TypeError, "not None"),
    ],
)
def test_keys_that_choose_nothing(found: Detections, key: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        found[key]


def test_equal_are_those_with_equal_contents(found: Detections) -> None:
    again = pickle.loads(pickle.dumps(found))
    assert again == found
    assert found[:3] != found
    assert found != "detections"
    assert Detections.empty(3, 4) == Detections.empty(3, 4)
    assert Detections.empty(3, 4) != Detections.empty(4, 3)
    for name in ("boxes", "scores", "mask_scores", "classes", "masks"):
        changed = pickle.loads(pickle.dumps(found))
        array = getattr(changed, name)
        array[0] = 1 - array[0] if name != "masks" else ~array[0]
        assert changed != found, name
    renamed = Detections(found.boxes, found.scores, found.scores, found.classes, found.masks, ("bolt", "screw"))
    assert renamed != found
    with pytest.raises(TypeError, match="unhashable"):
        hash(found)


def filled(polygons: list[np.ndarray]) -> np.ndarray:
    """By the even-odd rule: whether the middle of each pixel is inside."""
    y, x = np.mgrid[: SIZE[0], : SIZE[1]] + 0.5
    inside = np.zeros(SIZE, np.bool_)
    for polygon in polygons:
        for (x1, y1), (x2, y2) in zip(polygon, np.roll(polygon, -1, axis=0), strict=True):
            crosses = (y1 <= y) != (y2 <= y)
            if y1 != y2:
                inside ^= crosses & (x < x1 + (y - y1) * (x2 - x1) / (y2 - y1))
    return inside


def test_polygons_are_the_masks_with_their_holes(found: Detections) -> None:
    outlines = found.polygons(tolerance=0)
    assert len(outlines) == 5
    for polygons, mask in zip(outlines, found.masks, strict=True):
        assert all(polygon.ndim == 2 and polygon.shape[1] == 2 for polygon in polygons)
        np.testing.assert_array_equal(filled(polygons), mask)
    assert Detections.empty(3, 4).polygons() == []


def test_coco_annotations_can_be_told_ids(found: Detections) -> None:
    entries = found.to_coco(np.int64(7))
    assert [entry["category_id"] for entry in entries] == [1, 2, 1, 2, 1]
    assert {entry["image_id"] for entry in entries} == {7}
    assert [entry["score"] for entry in entries] == [0.9, 0.8, 0.7, 0.6, 0.43]
    assert entries[1]["bbox"] == [11, 5, 20, 20]
    assert entries[0]["area"] == found.masks[0].sum()
    assert "mask_score" not in entries[0]
    assert found.to_coco(7, categories={"nut": 30, "bolt": 10})[0]["category_id"] == 10
    people = Detections(found.boxes, found.scores, found.scores / 2, found.classes + 79, found.masks, COCO)[::2]
    assert people.to_coco(7)[0]["category_id"] == 90  # COCO's own id of a toothbrush
    assert people.to_coco(7)[0]["mask_score"] == 0.45
    for image_id, categories, words in (("a.jpg", None, "'a.jpg'"), (True, None, "True"), (7, {"nut": 1}, "'bolt'")):
        with pytest.raises(DataError, match=words):
            found.to_coco(image_id, categories=categories)  # type: ignore[arg-type]
