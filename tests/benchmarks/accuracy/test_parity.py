"""Matched detections against naive loops, and the gate on both sides of every limit."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.benchmarks.conftest import result
from yolact_deploy.artifacts.tolerances import GATES, Gate
from yolact_deploy.benchmarks.accuracy.average_precision import NOT_AVAILABLE, Accuracy, AveragePrecision
from yolact_deploy.benchmarks.accuracy.image_results import ImageResult
from yolact_deploy.benchmarks.accuracy.parity import (
    Matches,
    Parity,
    compare,
    gate_for,
    judge,
    match_results,
)
from yolact_deploy.errors import YolactDeployError

BOX = [10, 10, 30, 40]
OTHER = [40, 10, 60, 50]


def accuracy(box: float, mask: float) -> Accuracy:
    values = [AveragePrecision(ap, ap, ap, ap, ap, ap, ()) for ap in (box, mask)]
    return Accuracy(*values)


def test_equal_results_match_wholly() -> None:
    same = [result(1, [BOX, OTHER], [0.9, 0.5], [0, 1])]
    assert match_results(same, same) == Matches(matched=4, total=4, mean_mask_iou=1.0)
    assert match_results(same, same).rate == 1.0


@pytest.mark.parametrize("precision", GATES)
def test_nothing_found_by_either_is_not_judged(precision: str) -> None:
    matches = match_results([result(1)], [result(1)])
    assert matches == Matches(matched=0, total=0, mean_mask_iou=None)
    assert matches.rate is None
    verdict = judge(Parity(0.0, 0.0, matches), GATES[precision])
    assert (verdict.passed, verdict.word, verdict.failures) == (False, "not judged", ())
    assert "detects anything" in verdict.not_judged


@pytest.mark.parametrize("swapped", [False, True])
def test_nothing_found_by_one_is_none(swapped: bool) -> None:
    pair = ([result(1, [BOX], [0.9], [0])], [result(1)])
    assert match_results(*(pair[::-1] if swapped else pair)).rate == 0.0


def test_another_class_or_another_place_does_not_match() -> None:
    reference = [result(1, [BOX], [0.9], [0])]
    assert match_results(reference, [result(1, [BOX], [0.9], [1])]).rate == 0.0
    assert match_results(reference, [result(1, [OTHER], [0.9], [0])]).rate == 0.0


def test_a_detection_beside_the_score_limit_is_no_false_alarm() -> None:
    reference, model = [result(1, [BOX], [0.151], [0])], [result(1, [BOX], [0.149], [0])]
    assert match_results(reference, model) == Matches(matched=1, total=1, mean_mask_iou=1.0)
    assert match_results(model, reference) == Matches(matched=1, total=1, mean_mask_iou=1.0)


def test_what_scores_little_on_both_sides_is_not_counted() -> None:
    weak = [result(1, [BOX, OTHER], [0.9, 0.1], [0, 0])]
    assert match_results(weak, [result(1, [BOX], [0.9], [0])]).total == 2


def test_two_detections_do_not_share_one() -> None:
    twice = [result(1, [BOX, BOX], [0.9, 0.8], [0, 0])]
    assert match_results(twice, [result(1, [BOX], [0.9], [0])]) == Matches(matched=2, total=3, mean_mask_iou=1.0)


def test_the_iou_limit_uses_boxes_before_they_are_whole_pixels() -> None:
    """Truncation makes a box of 8.999 px 8 px wide, an IoU of 0.89 with 9 px, though the boxes are the same."""
    ours = replace(result(1, [[10, 10, 19, 40]], [0.9], [0]), exact_boxes=np.array([[10, 10, 19.0, 40]]))
    theirs = replace(result(1, [[10, 10, 18, 40]], [0.9], [0]), exact_boxes=np.array([[10, 10, 18.999, 40]]))
    assert match_results([ours], [theirs]).rate == 1.0
    narrower = replace(theirs, exact_boxes=np.array([[10, 10, 18.0, 40]]))
    assert match_results([ours], [narrower]).rate == 0.0


def test_equal_boxes_without_area_are_the_same_detection() -> None:
    flat = [result(1, [[5, 5, 5, 9]], [0.9], [0])]
    assert match_results(flat, flat) == Matches(matched=2, total=2, mean_mask_iou=1.0)


def test_mask_iou_of_matched_pairs() -> None:
    reference = result(1, [[0, 0, 20, 20]], [0.9], [0])
    shifted = result(1, [[0, 0, 20, 10]], [0.9], [0])
    half = replace(reference, mask_counts=shifted.mask_counts)
    assert match_results([reference], [half]).mean_mask_iou == pytest.approx(0.5)


def test_results_of_other_images_are_a_mistake() -> None:
    with pytest.raises(ValueError, match="results of different images: 1 and 2"):
        match_results([result(1)], [result(2)])


def naive_matches(wanted: ImageResult, among: ImageResult) -> int:
    """Loops over pairs, one direction."""
    used: set[int] = set()
    count = 0
    for i in range(len(wanted)):
        if wanted.scores[i] < 0.15:
            continue
        best, best_iou = None, 0.0
        for j in range(len(among)):
            if j in used or wanted.classes[i] != among.classes[j]:
                continue
            (ax1, ay1, ax2, ay2), (bx1, by1, bx2, by2) = wanted.exact_boxes[i], among.exact_boxes[j]
            width, height = min(ax2, bx2) - max(ax1, bx1), min(ay2, by2) - max(ay1, by1)
            overlap = max(width, 0) * max(height, 0)
            iou = overlap / ((ax2 - ax1) * (ay2 - ay1) + (bx2 - bx1) * (by2 - by1) - overlap)
            if iou > best_iou:
                best, best_iou = j, iou
        if best is not None and best_iou >= 0.9:
            used.add(best)
            count += 1
    return count


@given(st.integers(0, 8), st.integers(0, 8), st.integers(0, 2**32 - 1))
def test_matching_equals_a_naive_loop(count: int, other_count: int, seed: int) -> None:
    generator = np.random.default_rng(seed)

    def some(number: int) -> ImageResult:
        corners = generator.integers(0, 2, (number, 2)) * 20
        boxes = np.concatenate((corners, corners + 30 + generator.integers(0, 3, (number, 2))), axis=1)
        scores = np.sort(generator.choice([0.05, 0.14, 0.16, 0.5, 0.9], number))[::-1]
        return result(1, boxes.tolist(), scores.tolist(), generator.integers(0, 2, number).tolist())

    a, b = some(count), some(other_count)
    matches = match_results([a], [b])
    assert matches.matched == naive_matches(a, b) + naive_matches(b, a)
    assert matches.total == int((a.scores >= 0.15).sum() + (b.scores >= 0.15).sum())


def test_differences_are_in_points() -> None:
    parity = compare([result(1)], [result(1)], accuracy(0.40, 0.30), accuracy(0.41, 0.295))
    assert parity.box_difference == pytest.approx(1.0)
    assert parity.mask_difference == pytest.approx(-0.5)


@pytest.mark.parametrize("matches", [True, False])
def test_without_objects_there_is_nothing_to_judge_unless_detections_differ(matches: bool) -> None:
    absent = accuracy(NOT_AVAILABLE, NOT_AVAILABLE)
    model = result(1, [BOX if matches else OTHER], [0.9], [0])
    parity = compare([result(1, [BOX], [0.9], [0])], [model], absent, absent)
    assert parity.box_difference is None
    verdict = judge(parity, GATES["fp32"])
    assert not verdict.passed
    assert verdict.word == ("not judged" if matches else "FAIL")
    assert ("no object" in verdict.not_judged) == matches


def verdict_of(box: float, mask: float, matched: int, gate: Gate) -> tuple[str, ...]:
    return judge(Parity(box, mask, Matches(matched, 1000, 1.0)), gate).failures


@pytest.mark.parametrize(
    ("precision", "points", "matched"), [("fp32", 0.1, 995), ("fp16", 0.3, 980), ("bf16", 0.3, 980), ("int8", 1.0, 950)]
)
def test_the_gate_of_each_precision(precision: str, points: float, matched: int) -> None:
    gate = gate_for(precision)
    assert verdict_of(points, -points, matched, gate) == ()
    assert len(verdict_of(points + 0.01, 0, matched, gate)) == 1
    assert len(verdict_of(0, -points - 0.01, matched, gate)) == 1
    assert len(verdict_of(0, 0, matched - 1, gate)) == 1


def test_failures_have_both_numbers() -> None:
    assert verdict_of(0.25, -0.5, 900, GATES["fp32"]) == (
        "box AP differs by +0.250 points, allowed are 0.1",
        "mask AP differs by -0.500 points, allowed are 0.1",
        "90.00% of the detections match, required are 99.50%",
    )


def test_not_a_number_fails() -> None:
    assert len(verdict_of(math.nan, math.nan, 1000, GATES["int8"])) == 2
    broken = compare([result(1)], [result(1)], accuracy(0.4, 0.3), accuracy(math.nan, 0.3))
    assert not judge(broken, GATES["fp32"]).passed


def test_the_numbers_can_be_replaced() -> None:
    assert gate_for("fp32", max_ap_difference=0.5) == Gate(0.5, 0.995)
    assert gate_for("int8", min_match_rate=0.9) == Gate(1.0, 0.9)
    assert gate_for("something new") == GATES["fp32"]
    for wrong in (-0.1, math.nan):
        with pytest.raises(YolactDeployError, match=r"AP tolerance .*: points, 0 or more"):
            gate_for("fp32", max_ap_difference=wrong)
    for wrong in (-0.1, 1.1, math.nan):
        with pytest.raises(YolactDeployError, match=r"match rate .*: between 0 and 1"):
            gate_for("fp32", min_match_rate=wrong)
