"""Fast NMS and masks against a literal, one-detection-at-a-time reading of the paper."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.hard_cases import HARD_CASES, RULES, Case, random_case, with_rules
from yolact_deploy.config.postprocess import PostprocessConfig
from yolact_deploy.errors import ConfigError
from yolact_deploy.ops.boxes import box_iou, decode
from yolact_deploy.ops.postprocess import assemble_masks, fast_nms, full_size_masks


def naive_fast_nms(case: Case, config: PostprocessConfig) -> list[tuple[int, int, float]]:
    """(prior, class, score) of every detection, by loops."""
    boxes = decode(case.loc, case.priors)
    scores = case.conf[:, 1:].tolist()
    candidates = []
    for prior, row in enumerate(scores):
        finite = all(math.isfinite(value) for value in (*row, *boxes[prior].tolist()))
        if finite and max(row) > np.float32(config.score_threshold):
            candidates.append(prior)
    if config.candidates_per_level:
        candidates = naive_best_of_levels(candidates, scores, config)
    if config.clip_boxes:
        boxes = torch.tensor([[min(max(value, 0.0), 1.0) for value in box] for box in boxes.tolist()])
    survivors = []
    groups = [None] if config.cross_class else range(len(scores[0]))
    for group in groups:
        entries = [
            (max(scores[p]), scores[p].index(max(scores[p])), p) if group is None else (scores[p][group], group, p)
            for p in candidates
        ]
        entries.sort(key=lambda entry: -entry[0])  # stable: ties stay in prior order
        entries = entries[: config.top_k]
        for index, (score, class_index, prior) in enumerate(entries):
            better = [box_iou(boxes[prior : prior + 1], boxes[p : p + 1]).item() for _, _, p in entries[:index]]
            is_above = score > np.float32(config.score_threshold) or not config.threshold_per_class
            if is_above and all(iou <= np.float32(config.iou_threshold) for iou in better):
                survivors.append((prior, class_index, score))
    survivors.sort(key=lambda entry: -entry[2])
    return survivors[: config.output_count]


def naive_best_of_levels(candidates: list[int], scores: list[list[float]], config: PostprocessConfig) -> list[int]:
    kept = []
    for level, count in enumerate(config.level_priors):
        start = sum(config.level_priors[:level])
        inside = [prior for prior in candidates if start <= prior < start + count]
        inside.sort(key=lambda prior: -max(scores[prior]))  # stable: ties stay in prior order
        kept += sorted(inside[: config.candidates_per_level])
    return kept


def check(case: Case, config: PostprocessConfig) -> None:
    found = fast_nms(case.loc, case.conf, case.coef, case.priors, config)
    expected = naive_fast_nms(case, config)
    actual = list(zip(found.prior_indices.tolist(), found.classes.tolist(), found.scores.tolist(), strict=True))
    assert actual == expected
    torch.testing.assert_close(found.coefs, case.coef[found.prior_indices], rtol=0, atol=0)
    boxes = decode(case.loc, case.priors)[found.prior_indices]
    torch.testing.assert_close(found.boxes, boxes.clamp(0, 1) if config.clip_boxes else boxes, rtol=0, atol=0)


@pytest.mark.parametrize("rules", RULES)
@pytest.mark.parametrize("cross_class", [False, True])
@pytest.mark.parametrize("name", HARD_CASES)
def test_hard_cases_equal_the_naive_loop(name: str, cross_class: bool, rules: str) -> None:
    case = HARD_CASES[name]()
    check(case, with_rules(PostprocessConfig(top_k=12, max_detections=7, cross_class=cross_class), rules, case))


@settings(max_examples=40)
@given(
    seed=st.integers(0, 2**31), n=st.integers(1, 60), classes=st.integers(1, 6), cross_class=st.booleans(),
    top_k=st.integers(1, 40), max_detections=st.integers(1, 50), rules=st.sampled_from(list(RULES)),
    score_threshold=st.sampled_from([0.0, 0.05, 0.3]), iou_threshold=st.sampled_from([0.0, 0.3, 0.5, 1.0]),
)  # fmt: skip
def test_random_shapes_equal_the_naive_loop(seed: int, n: int, classes: int, rules: str, **options: object) -> None:
    case = random_case(seed, n, classes)
    check(case, with_rules(PostprocessConfig(**options), rules, case))  # type: ignore[arg-type]


def test_of_equal_scores_a_level_keeps_the_first_priors() -> None:
    case = Case(torch.zeros(6, 4), torch.full((6, 2), 0.5), torch.zeros(6, 2), random_case(1, 6).priors)
    config = PostprocessConfig(iou_threshold=1.0, candidates_per_level=2, level_priors=(4, 1, 1))
    found = fast_nms(case.loc, case.conf, case.coef, case.priors, config)
    assert found.prior_indices.tolist() == [0, 1, 4, 5]


def test_levels_of_another_model_are_refused() -> None:
    case = random_case(1, 6)
    with pytest.raises(ConfigError, match="5 priors, not 6"):
        fast_nms(case.loc, case.conf, case.coef, case.priors,
                 PostprocessConfig(candidates_per_level=2, level_priors=(4, 1)))  # fmt: skip


def test_a_fallen_detection_still_suppresses() -> None:
    """Three boxes in a row, each overlapping the next: the second falls to the first, the third to the second."""
    priors = torch.tensor([[0.30, 0.5, 0.2, 0.2], [0.35, 0.5, 0.2, 0.2], [0.40, 0.5, 0.2, 0.2]])
    conf = torch.tensor([[0.1, 0.9], [0.2, 0.8], [0.3, 0.7]])
    found = fast_nms(torch.zeros(3, 4), conf, torch.zeros(3, 2), priors, PostprocessConfig())
    assert found.prior_indices.tolist() == [0]


def test_iou_exactly_at_the_threshold_survives() -> None:
    """Widths 1 and 2 with a common area of 1: an IoU of exactly 1/2, kept at 0.5 and dropped just below."""
    priors = torch.tensor([[0.5, 0.5, 1.0, 1.0], [1.0, 0.5, 2.0, 1.0]])
    conf = torch.tensor([[0.1, 0.9], [0.2, 0.8]])
    arguments = (torch.zeros(2, 4), conf, torch.zeros(2, 2), priors)
    assert len(fast_nms(*arguments, PostprocessConfig(iou_threshold=0.5)).scores) == 2
    assert len(fast_nms(*arguments, PostprocessConfig(iou_threshold=0.4999)).scores) == 1


def test_score_exactly_at_the_threshold_is_dropped() -> None:
    conf = torch.tensor([[0.5, 0.25], [0.5, 0.5]])
    priors = torch.tensor([[0.2, 0.2, 0.1, 0.1], [0.8, 0.8, 0.1, 0.1]])
    found = fast_nms(torch.zeros(2, 4), conf, torch.zeros(2, 2), priors, PostprocessConfig(score_threshold=0.25))
    assert found.prior_indices.tolist() == [1]


def naive_masks(proto: np.ndarray, coefs: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    height, width, _ = proto.shape
    masks = np.zeros((len(coefs), height, width), np.float32)
    for d, (x1, y1, x2, y2) in enumerate(boxes * np.float32([width, height, width, height])):
        left, right = max(min(x1, x2) - 1, 0), min(max(x1, x2) + 1, width)
        top, bottom = max(min(y1, y2) - 1, 0), min(max(y1, y2) + 1, height)
        for y in range(height):
            for x in range(width):
                if left <= x < right and top <= y < bottom:
                    masks[d, y, x] = 1 / (1 + math.exp(-float(proto[y, x] @ coefs[d])))
    return masks


@settings(max_examples=30)
@given(seed=st.integers(0, 2**31), d=st.integers(0, 4), height=st.integers(1, 12), width=st.integers(1, 12))
def test_masks_equal_a_naive_loop(seed: int, d: int, height: int, width: int) -> None:
    rng = np.random.default_rng(seed)
    proto = rng.standard_normal((height, width, 3)).astype(np.float32)
    coefs = rng.standard_normal((d, 3)).astype(np.float32)
    boxes = rng.uniform(-0.5, 1.5, (d, 4)).astype(np.float32)
    actual = assemble_masks(torch.from_numpy(proto), torch.from_numpy(coefs), torch.from_numpy(boxes))
    np.testing.assert_allclose(actual.numpy(), naive_masks(proto, coefs, boxes), atol=1e-6)


def test_no_masks_at_image_size() -> None:
    assert full_size_masks(torch.zeros(0, 4, 4), 9, 7).shape == (0, 9, 7)
