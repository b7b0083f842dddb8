"""Score thresholds: what they promise on these pictures, and that it holds on others."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.benchmarks.judge.conftest import Case, case_of
from tests.conftest import NANO_WEIGHTS
from yolact_deploy.benchmarks.judge.calibration import expected_precision
from yolact_deploy.benchmarks.judge.pairing import Kind
from yolact_deploy.benchmarks.judge.thresholds import ClassCurve, class_curves
from yolact_deploy.benchmarks.scripts.make_nano_data import write_data

graded = st.lists(st.tuples(st.integers(1, 20), st.booleans()), max_size=30)


def curve(items: list[tuple[int, bool]], objects: int) -> ClassCurve:
    ordered = sorted(items, key=lambda item: -item[0])
    scores = np.array([score / 20 for score, _ in ordered], np.float32)
    return ClassCurve("a", objects, scores, np.array([right for _, right in ordered], np.bool_))


@given(graded, st.integers(0, 10), st.sampled_from([0.5, 0.8, 0.95]))
def test_thresholds_equal_a_naive_search(items: list[tuple[int, bool]], missed: int, wanted: float) -> None:
    objects = sum(right for _, right in items) + missed
    made = curve(items, objects)
    naive = {}
    for score in sorted({score for score, _ in items}, reverse=True):
        kept = [right for other, right in items if other >= score]
        naive[score] = (sum(kept) / len(kept), sum(kept) / max(objects, 1))
    if not objects or not items:
        assert made.best_f1() is made.at_precision(wanted) is made.at_recall(wanted) is None
        return
    best = made.best_f1()
    assert best is not None
    assert best.f1 == pytest.approx(max(2 * p * r / (p + r) if p + r else 0.0 for p, r in naive.values()))
    reached = [score for score, (_, recall) in naive.items() if recall >= wanted]
    found = made.at_recall(wanted)
    assert (found is None) == (not reached)
    if found is not None:
        assert found.score == pytest.approx(max(reached) / 20)
    precise = made.at_precision(wanted)
    if precise is not None:
        precision, recall = naive[round(precise.score * 20)]
        assert (precise.precision, precise.recall) == (pytest.approx(precision), pytest.approx(recall))
        assert precision >= wanted
    elif all(right for _, right in items):
        pytest.fail("nothing is wrong, and no score reaches the precision")


def test_a_lucky_detection_does_not_lower_a_threshold() -> None:
    """Precision falls with the score; one right detection far down lifts the count just to what is wanted."""
    right = np.array([True] * 60 + [True, False, False] * 3 + [False] * 30)
    scores = np.linspace(0.99, 0.01, len(right)).astype(np.float32)
    counted = np.cumsum(right) / np.arange(1, len(right) + 1)
    smooth = expected_precision(scores, right)
    assert np.all(np.diff(smooth) <= 1e-9)
    assert np.abs(smooth[-1] - counted[-1]) < 0.02
    assert np.array_equal(expected_precision(scores[:20], right[:20]), np.ones(20))


def precision_at(case: Case, thresholds: dict[str, float]) -> float:
    """Of all detections that reach the threshold of their class: a count of its own."""
    pairing = case.pairing
    names = [category.name for category in pairing.truth.categories]
    limits = np.array([thresholds.get(name, 2.0) for name in names], np.float32)
    kept = (pairing.scores >= limits[pairing.classes]) & (pairing.kinds != Kind.NOT_COUNTED)
    return float(np.mean(pairing.kinds[kept] == Kind.FOUND))


@pytest.mark.slow
def test_thresholds_hold_on_another_draw(tmp_path: Path) -> None:
    """95 % precision, within 2 points, on pictures that the thresholds were not chosen on."""
    cases = []
    for seed in (7, 8):
        write_data(tmp_path / str(seed), 192, seed)
        cases.append(case_of(NANO_WEIGHTS, tmp_path / str(seed)))
    for chosen_on, tried_on in (cases, cases[::-1]):
        curves = class_curves(chosen_on.pairing)
        found = {item.name: at.score for item in curves if (at := item.at_precision(0.95)) is not None}
        assert len(found) == 6
        assert precision_at(chosen_on, found) >= 0.95
        assert precision_at(tried_on, found) >= 0.93
