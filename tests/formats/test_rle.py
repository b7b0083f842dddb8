"""Run lengths are those of pycocotools."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.extra import numpy as arrays

from yolact_deploy.formats.rle import encode_rle
from yolact_deploy.formats.window import window_of
from yolact_deploy.types import BoolArray

coding = pytest.importorskip("pycocotools.mask")


@settings(max_examples=200)
@given(arrays.arrays(np.bool_, arrays.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=70)))
def test_run_lengths_are_those_of_pycocotools(mask: BoolArray) -> None:
    assert (
        encode_rle(window_of(mask), *mask.shape)
        == coding.encode(np.asfortranarray(mask.astype(np.uint8)))["counts"].decode()
    )


def test_run_lengths_of_large_masks() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        mask = np.zeros((1080, 1920), np.uint8)
        cv2.ellipse(mask, rng.integers(0, 1080, 2).tolist(), rng.integers(1, 900, 2).tolist(), 30, 0, 360, 1, -1)
        assert encode_rle(window_of(mask > 0), *mask.shape) == coding.encode(np.asfortranarray(mask))["counts"].decode()
