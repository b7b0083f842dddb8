"""The numbers of a comparison against plain loops."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from yolact_deploy.artifacts.tensor_names import detection_stages, tensor_stages
from yolact_deploy.artifacts.tolerances import TOLERANCES, coarsest
from yolact_deploy.config.model import ModelConfig
from yolact_deploy.diagnosis.differences import EQUAL, NOT_COMPARABLE, difference

SHAPES = hnp.array_shapes(min_dims=1, max_dims=3, max_side=5)
VALUES = st.floats(-100, 100, width=16)


@given(SHAPES.flatmap(lambda shape: st.tuples(*[hnp.arrays(np.float32, shape, elements=VALUES)] * 2)))
def test_against_loops(pair: tuple[np.ndarray, np.ndarray]) -> None:
    a, b = ([float(value) for value in array.flat] for array in pair)
    found = difference(*pair)
    apart = [abs(y - x) for x, y in zip(a, b, strict=True)]
    assert found.max_abs == max(apart)
    assert found.mean_abs == pytest.approx(sum(apart) / len(apart))
    lengths = [math.sqrt(sum(value * value for value in values)) for values in (a, b, apart)]
    if lengths[2] == 0:
        assert found == EQUAL
    elif lengths[0] == 0:
        assert (found.relative, found.cosine) == (math.inf, 0.0)
    else:
        assert found.relative == pytest.approx(lengths[2] / lengths[0])
        product = sum(x * y for x, y in zip(a, b, strict=True))
        cosine = product / (lengths[0] * lengths[1]) if lengths[1] else 0.0
        assert found.cosine == pytest.approx(cosine, abs=1e-9)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("side", [0, 1, None])
def test_what_is_not_finite_never_passes(value: float, side: int | None) -> None:
    pair = [np.ones((2, 3), np.float32), np.ones((2, 3), np.float32)]
    for index in (0, 1) if side is None else (side,):  # in both, at the same place, too
        pair[index][1, 1] = value
    found = difference(*pair)
    assert found is NOT_COMPARABLE
    assert not found.relative <= 1e9


def test_special_arrays() -> None:
    ones = np.ones((2, 2), np.float16)
    assert difference(ones, np.ones((4, 1), np.float16)) is NOT_COMPARABLE
    assert difference(np.zeros((0, 4)), np.zeros((0, 4))) is EQUAL
    assert difference(np.zeros(3), np.zeros(3)) is EQUAL
    assert difference(ones, ones.astype(np.float64)) is EQUAL
    booleans = np.array([True, True, True, True, False]), np.array([True, True, True, False, False])
    assert difference(*booleans).relative == 0.5  # the root of one pixel in four
    large = np.full(4, 60000, np.float16)
    assert difference(large, large / 2).relative == pytest.approx(0.5)  # computed in float64


def test_a_coarser_precision_is_never_held_to_more() -> None:
    names = list(TOLERANCES)
    for finer, coarser in itertools.pairwise(names):
        config = ModelConfig.named("yolact_plus_nano")
        for stage in (*tensor_stages(config), *detection_stages(config)):
            for is_packed in (False, True):
                assert TOLERANCES[finer].of(stage, is_packed) <= TOLERANCES[coarser].of(stage, is_packed)
    assert coarsest("fp16", "fp32") == "fp16"
    assert coarsest("int8", "bf16") == "int8"
    assert coarsest("fp32", "unknown precision") == "fp32"
