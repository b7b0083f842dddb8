"""The NumPy reference equals the PyTorch one, and no case depends on the last bits of its inputs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.hard_cases import HARD_CASES, with_rules
from yolact_deploy.benchmarks.kernels import reference
from yolact_deploy.benchmarks.kernels.cases import GROUPS, check_cases, sanitizer_cases, timed_cases
from yolact_deploy.benchmarks.kernels.operators import FastNms, Masks
from yolact_deploy.config.postprocess import PostprocessConfig
from yolact_deploy.ops import postprocess

SMALL_PRIORS = 2000  # cases with more are tried with the host build of the kernels


def assert_equal(actual: reference.Kept, expected: postprocess.KeptDetections) -> None:
    for name in ("scores", "classes", "coefs"):
        np.testing.assert_array_equal(getattr(actual, name), getattr(expected, name).numpy())
    np.testing.assert_allclose(actual.boxes, expected.boxes.numpy(), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("cross_class", [False, True])
@pytest.mark.parametrize("rules", ["official", "all"])
@pytest.mark.parametrize("name", HARD_CASES)
def test_fast_nms_on_hard_cases(name: str, rules: str, cross_class: bool) -> None:
    case = HARD_CASES[name]()
    tensors = (case.loc, case.conf, case.coef, case.priors)
    config = with_rules(PostprocessConfig(top_k=12, max_detections=7, cross_class=cross_class), rules, case)
    assert_equal(
        reference.fast_nms(*(tensor.numpy() for tensor in tensors), config), postprocess.fast_nms(*tensors, config)
    )


def operators(kind: type) -> list[tuple[str, Masks | FastNms]]:
    cases = [case for group in GROUPS for case in check_cases(group)]
    cases += [*sanitizer_cases(), *timed_cases()]
    made = [(case.name, case.make()) for case in cases if "worst" not in case.name and "all cand" not in case.name]
    return [(name, operator) for name, operator in made if isinstance(operator, kind)]  # type: ignore[misc]


def test_fast_nms_on_the_cases() -> None:
    tried = 0
    for _, operator in operators(FastNms):
        assert isinstance(operator, FastNms)
        if len(operator.priors) > SMALL_PRIORS:
            continue
        for index, kept in enumerate(operator.expected):
            tensors = [torch.from_numpy(array[index]).float() for array in (operator.loc, operator.conf, operator.coef)]
            priors = torch.from_numpy(operator.priors)
            assert_equal(kept, postprocess.fast_nms(*tensors, priors, operator.config))
            tried += 1
    assert tried > 15


def test_no_detection_of_the_cases_hangs_on_a_rounding() -> None:
    """A GPU's exp may differ in its last bits; an IoU next to the threshold would then fall on its other side."""
    for name, operator in operators(FastNms):
        assert isinstance(operator, FastNms)
        thresholds = [operator.config.iou_threshold + margin for margin in (-1e-5, 1e-5)]
        low, high = (replace(operator, config=replace(operator.config, iou_threshold=value)) for value in thresholds)
        for below, above in zip(low.expected, high.expected, strict=True):
            np.testing.assert_array_equal(below.scores, above.scores, err_msg=name)


def test_masks_on_the_cases() -> None:
    for _, operator in operators(Masks):
        assert isinstance(operator, Masks)
        for index, masks in enumerate(operator.expected):
            arrays = (operator.proto, operator.coefs, operator.boxes)
            expected = postprocess.assemble_masks(*(torch.from_numpy(array[index]).float() for array in arrays))
            there = operator.boxes[index].any(-1)
            np.testing.assert_allclose(masks[there], expected.numpy()[there], rtol=0, atol=2e-6)
            np.testing.assert_array_equal(masks[there] == 0, expected.numpy()[there] == 0)
            assert not masks[~there].any()


def test_the_sizes_of_the_goals_are_timed() -> None:
    names = [case.name for case in timed_cases()]
    assert len(set(names)) == len(names)
    for wanted in ("Fast NMS, 19248", "masks, 100 of 138x138, fp16", "image-size masks, 100 of 640x480, fp16"):
        assert any(name.startswith(wanted) for name in names)


def test_pytorch_does_the_same_work() -> None:
    """What the kernels' times are compared with."""
    for case in (*check_cases("masks, fp32"), *check_cases("image-size masks, fp16")):
        if case.name in ("small", "smaller than the prototypes"):
            operator = case.make()
            masks = operator.in_pytorch(torch, "cpu")()
            assert tuple(masks.shape[:1]) == (len(operator.expected[0]),)  # type: ignore[attr-defined]
    (case,) = (case for case in check_cases("Fast NMS, fp16") if case.name == "odd sizes")
    operator = case.make()
    assert isinstance(operator, FastNms)
    assert_equal(operator.expected[0], operator.in_pytorch(torch, "cpu")())
