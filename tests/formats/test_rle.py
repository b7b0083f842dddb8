"""Run lengths are those of pycocotools."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.extra import numpy as arrays

from yolact_deploy.formats.rle import decode_rle, encode_rle
from yolact_deploy.formats.window import MaskWindow, window_of
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


def whole(window: MaskWindow, height: int, width: int) -> BoolArray:
    mask = np.zeros((height, width), np.bool_)
    mask[window.rows, window.columns] = window.inside
    return mask


@settings(max_examples=200)
@given(arrays.arrays(np.bool_, arrays.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=70)))
def test_run_lengths_are_read_back(mask: BoolArray) -> None:
    height, width = mask.shape
    window = decode_rle(encode_rle(window_of(mask), height, width), height, width)
    np.testing.assert_array_equal(whole(window, height, width), mask)
    expected = window_of(mask)
    assert (window.rows, window.columns) == (expected.rows, expected.columns)
    assert encode_rle(window, height, width) == encode_rle(expected, height, width)


def test_run_lengths_of_pycocotools_are_read() -> None:
    """Zeros between runs, and a mask that begins with a one, as other programs write them."""
    rng = np.random.default_rng(0)
    for _ in range(20):
        mask = rng.random((200, 300)) < rng.random() / 2
        counts = coding.encode(np.asfortranarray(mask.astype(np.uint8)))["counts"].decode()
        np.testing.assert_array_equal(whole(decode_rle(counts, 200, 300), 200, 300), mask)


@pytest.mark.parametrize("counts", ["", "o", "\x7f", "ooooooooooooo0", "11", "1", "~~", "O1", "1O", "0`f1"])
def test_damaged_run_lengths_are_refused(counts: str) -> None:
    with pytest.raises(ValueError, match="run length"):
        decode_rle(counts, 7, 9)
