"""Errors, confusion and AP against a naive count, on random boxes."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools import mask as coding

from tests.benchmarks.judge.conftest import Case
from yolact_deploy.benchmarks.accuracy.average_precision import GroundTruth
from yolact_deploy.benchmarks.accuracy.classes import ClassMapping
from yolact_deploy.benchmarks.accuracy.dataset import DataImage, Dataset
from yolact_deploy.benchmarks.accuracy.image_results import ImageResult
from yolact_deploy.benchmarks.judge.cost import error_costs
from yolact_deploy.benchmarks.judge.errors import count_errors
from yolact_deploy.benchmarks.judge.pairing import pair
from yolact_deploy.benchmarks.judge.truth import Truth
from yolact_deploy.config.categories import Category

SIDE = 24  # px
CATEGORIES = (Category(3, "a"), Category(5, "b"), Category(9, "c"))
MAPPING = ClassMapping((9, 3, None, 5), ())  # the model's classes in another order, one of them unknown
SCORE = 0.3

boxes = st.tuples(st.integers(0, 16), st.integers(0, 16), st.integers(1, 8), st.integers(1, 8))
objects = st.lists(st.tuples(boxes, st.sampled_from([3, 5, 9]), st.sampled_from([0, 0, 0, 1])), max_size=5)
found = st.lists(
    st.tuples(boxes, st.integers(0, 3), st.integers(1, 99), st.booleans()), max_size=8, unique_by=lambda item: item[2]
)
images = st.lists(st.tuples(objects, found), min_size=1, max_size=3)


def mask_of(box: tuple[int, ...], half: bool = False) -> np.ndarray:
    x, y, w, h = box
    mask = np.zeros((SIDE, SIDE), np.uint8, order="F")
    mask[y : y + h, x : x + (max(1, w // 3) if half else w)] = 1
    return mask


def made(case: list[Any]) -> tuple[Dataset, list[ImageResult]]:
    annotations, results = [], []
    for number, (wanted, detections) in enumerate(case, start=1):
        for box, category, crowd in wanted:
            rle = coding.encode(mask_of(box))
            entry = {"image_id": number, "category_id": category, "bbox": list(box), "area": box[2] * box[3]}
            annotations.append({**entry, "segmentation": rle, "iscrowd": crowd, "id": len(annotations) + 1})
        ranked = sorted(detections, key=lambda item: -item[2])
        corners = np.array([(x, y, x + w, y + h) for (x, y, w, h), *_ in ranked], np.int64).reshape(-1, 4)
        scores = np.array([score / 100 for _, _, score, _ in ranked], np.float32)
        results.append(
            ImageResult(
                number, SIDE, SIDE, corners, corners.astype(np.float64), scores, scores,
                np.array([index for _, index, _, _ in ranked], np.int64),
                tuple(coding.encode(mask_of(box, half))["counts"] for box, _, _, half in ranked),
            )
        )  # fmt: skip
    pictures = tuple(DataImage(number, Path(f"{number}.png"), SIDE, SIDE) for number in range(1, len(case) + 1))
    return Dataset(Path(), Path("i.json"), pictures, CATEGORIES, tuple(annotations), len(case), None, None), results


def iou(a: tuple[int, ...], b: tuple[int, ...], crowd: bool = False) -> float:
    w = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    h = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    inside = max(w, 0) * max(h, 0)
    return inside / (a[2] * a[3] if crowd else a[2] * a[3] + b[2] * b[3] - inside)


def naive(case: list[Any]) -> tuple[Counter[tuple[str, str]], Counter[tuple[str, str]]]:
    """(kind, class) -> count, and (annotated, found as) -> count: loops over the definitions of docs/judge.md."""
    names = {category.id: category.name for category in CATEGORIES}
    counts: Counter[tuple[str, str]] = Counter()
    confusion: Counter[tuple[str, str]] = Counter()
    for wanted, detections in case:
        shown = [item for item in sorted(detections, key=lambda item: -item[2]) if item[2] >= 100 * SCORE]
        shown = [item for item in shown if MAPPING.category_ids[item[1]] is not None]
        solid = [(box, category) for box, category, crowd in wanted if not crowd]
        crowds = [(box, category) for box, category, crowd in wanted if crowd]
        taken: dict[int, str] = {}
        touched: set[int] = set()
        left = []
        for box, index, _, half in shown:
            category = MAPPING.category_ids[index]
            best, place = 0.5, None
            for number, (other, wanted_category) in enumerate(solid):
                if wanted_category == category and number not in taken and iou(box, other) >= best:
                    best, place = iou(box, other), number
            if place is None:
                left.append((box, category))
                continue
            taken[place] = names[category]
            a, b = mask_of(box, half), mask_of(solid[place][0])
            fits = (a & b).sum() / (a | b).sum() >= 0.5
            counts["found" if fits else "poor_mask", names[category]] += 1
        claimed: dict[int, str] = {}
        for box, category in left:
            if any(own == category and iou(box, other, True) >= 0.5 for other, own in crowds):
                continue
            same = [(iou(box, other), number) for number, (other, own) in enumerate(solid) if own == category]
            others = [(iou(box, other), number) for number, (other, own) in enumerate(solid) if own != category]
            top, top_other = max(same, default=(0, -1))[0], max(others, default=(0, -1))[0]
            kind = "false"
            if 0.1 <= top < 0.5:
                kind = "poor_box"
                touched.add(min(number for value, number in same if value == top))
            elif top_other >= 0.5:
                kind = "wrong_class"
                number = min(number for value, number in others if value == top_other)
                touched.add(number)
                if number not in taken and number not in claimed:
                    claimed[number] = names[category]
                    counts[kind, names[category]] += 1
                    continue
            elif top >= 0.5:
                kind = "duplicate"
            elif top_other > 0.1:
                kind = "wrong_class_and_box"
            counts[kind, names[category]] += 1
            confusion["nothing", names[category]] += 1
        for number, (_, category) in enumerate(solid):
            counts["objects", names[category]] += 1
            confusion[names[category], taken.get(number, claimed.get(number, "nothing"))] += 1
            counts["missed", names[category]] += number not in taken and number not in touched
    return counts, confusion


@settings(max_examples=200)
@given(images)
def test_counts_equal_a_naive_count(case: list[Any]) -> None:
    dataset, results = made(case)
    errors = count_errors(pair(Truth.of(dataset), results, MAPPING), SCORE)
    counts, confusion = naive(case)
    for item in errors.per_class:
        for kind in ("objects", "found", "missed", "false", "wrong_class", "duplicate", "poor_box", "poor_mask"):
            assert getattr(item, kind) == counts[kind, item.name], kind
        assert item.wrong_class_and_box == counts["wrong_class_and_box", item.name]
    names = [*(item.name for item in errors.per_class), "nothing"]
    matrix = {
        (a, b): n for a, row in zip(names, errors.confusion, strict=True) for b, n in zip(names, row, strict=True)
    }
    assert {pair: n for pair, n in matrix.items() if n} == {pair: n for pair, n in confusion.items() if n}
    assert errors.total.detections == sum(errors.confusion[-1]) + sum(
        n for (a, b), n in matrix.items() if "nothing" not in (a, b)
    )


@settings(max_examples=200)
@given(images)
def test_ap_equals_pycocotools(case: list[Any]) -> None:
    dataset, results = made(case)
    costs = error_costs(pair(Truth.of(dataset), results, MAPPING))
    expected = GroundTruth(dataset).evaluate(results, MAPPING).box.ap50
    assert expected == pytest.approx(-1 if costs is None else costs.ap, abs=1e-9)


def test_an_error_put_right_costs_what_it_gains() -> None:
    """One object under another class, one with a poor box, one missed, one found twice and one false detection."""
    box, other = (0, 0, 8, 8), (14, 14, 8, 8)
    wrong = [([(box, 3, 0)], [(box, 3, 90, False)])]
    poor = [([(box, 3, 0)], [((4, 0, 8, 8), 1, 90, False)])]
    missed = [([(box, 3, 0), (other, 3, 0)], [(box, 1, 90, False)])]
    false = [([(box, 3, 0)], [(other, 1, 90, False), (box, 1, 80, False)])]
    twice = [([(box, 3, 0), (other, 3, 0)], [(box, 1, 90, False), ((0, 0, 8, 7), 1, 80, False), (other, 1, 70, False)])]
    mask = [([(box, 3, 0)], [(box, 1, 90, True)])]
    cases = {
        "wrong_class": wrong, "poor_box": poor, "missed": missed, "false": false, "duplicate": twice, "poor_mask": mask,
    }  # fmt: skip
    for kind, case in cases.items():
        dataset, results = made(case)
        costs = error_costs(pair(Truth.of(dataset), results, MAPPING))
        assert costs is not None
        gains = {name: getattr(costs, name) for name in cases}
        assert gains[kind] > 0.15, kind
        assert {name for name, gain in gains.items() if gain > 1e-9} == {kind}
        assert costs.ap + gains[kind] == pytest.approx(1) or kind == "poor_mask"


def test_the_bundled_model(nano_case: Case) -> None:
    """Figures of the bundled model, within what runtimes differ by."""
    total = count_errors(nano_case.pairing, 0.3).total
    assert total.objects == 293
    assert abs(total.found - 234) <= 3
    assert abs(total.wrong_class - 85) <= 4
    costs = error_costs(nano_case.pairing)
    assert costs is not None
    assert costs.wrong_class == pytest.approx(0.084, abs=0.01)  # as tidecv 1.0.1 gives it: 8.43
    assert costs.poor_box == pytest.approx(0.0138, abs=0.005)  # 1.38
    assert costs.missed == pytest.approx(0.0097, abs=0.005)  # 0.97
