"""The windowed masks equal the official full-size ones."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from yolact_deploy.errors import ImageError
from yolact_deploy.formats.window import MaskWindow, mask_window
from yolact_deploy.ops.masks import (
    boolean_masks,
    mask_windows,
    masks_at_image_size,
    unpack_masks,
    words_of_row,
)
from yolact_deploy.ops.postprocess import crop, full_size_masks
from yolact_deploy.ops.view import View
from yolact_deploy.types import FloatArray, NetworkDetections, PackedMasks


def cropped_masks(seed: int, count: int, height: int, width: int) -> tuple[torch.Tensor, np.ndarray]:
    rng = np.random.default_rng(seed)
    boxes = rng.uniform(-0.3, 1.3, (count, 4)).astype(np.float32)
    masks = rng.random((count, height, width)).astype(np.float32)
    return crop(torch.from_numpy(masks), torch.from_numpy(boxes)), boxes


@settings(max_examples=80)
@given(
    seed=st.integers(0, 2**31), count=st.integers(0, 4),
    proto_height=st.integers(1, 40), proto_width=st.integers(1, 40),
    height=st.integers(1, 90), width=st.integers(1, 90),
)  # fmt: skip
def test_windows_equal_whole_masks(
    seed: int, count: int, proto_height: int, proto_width: int, height: int, width: int
) -> None:
    masks, boxes = cropped_masks(seed, count, proto_height, proto_width)
    expected = full_size_masks(masks, height, width).numpy()
    actual = masks_at_image_size(masks.numpy(), boxes, height, width)
    assert actual.shape == expected.shape == (count, height, width)
    assert actual.dtype == np.bool_
    # A value within rounding of the threshold may fall on either side of it.
    assert np.count_nonzero(actual ^ expected) <= 1e-4 * expected.size


@pytest.mark.parametrize("size", [(480, 640), (138, 138), (1, 1), (2000, 37), (7, 3000)])
def test_windows_equal_whole_masks_at_real_sizes(size: tuple[int, int]) -> None:
    masks, boxes = cropped_masks(3, 20, 138, 138)
    expected = full_size_masks(masks, *size).numpy()
    assert np.count_nonzero(masks_at_image_size(masks.numpy(), boxes, *size) ^ expected) <= 1e-5 * expected.size


def test_a_full_mask_fills_the_image() -> None:
    masks = np.ones((1, 138, 138), np.float32)
    assert masks_at_image_size(masks, np.float32([[0, 0, 1, 1]]), 333, 777).all()


def test_too_many_pixels_is_an_error_with_advice(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_memory(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr("yolact_deploy.ops.masks.np.zeros", no_memory)
    with pytest.raises(ImageError, match=r"2 masks of 8000x6000 px need 0\.1 GiB: raise the score threshold"):
        masks_at_image_size(np.ones((2, 4, 4), np.float32), np.float32([[0, 0, 1, 1]] * 2), 6000, 8000)


@settings(max_examples=40)
@given(
    seed=st.integers(0, 2**31), count=st.integers(0, 4), height=st.integers(1, 20),
    width=st.sampled_from([1, 7, 31, 32, 33, 63, 64, 65, 641]),
)  # fmt: skip
def test_packed_masks_are_unpacked_bit_by_bit(seed: int, count: int, height: int, width: int) -> None:
    expected = np.random.default_rng(seed).random((count, height, width)) < 0.5
    words = np.zeros((count, height, -(-width // 32)), np.uint32)
    for mask, y, x in np.argwhere(expected):
        words[mask, y, x // 32] |= np.uint32(1 << (x % 32))
    actual = unpack_masks(PackedMasks(words.view(np.int32)), height, width)
    assert actual.dtype == np.bool_
    np.testing.assert_array_equal(actual, expected)


def test_too_many_packed_pixels_are_the_same_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_memory(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr("yolact_deploy.ops.masks.np.unpackbits", no_memory)
    with pytest.raises(ImageError, match=r"2 masks of 64x10 px need 0\.0 GiB: raise the score threshold"):
        unpack_masks(PackedMasks(np.zeros((2, 10, 2), np.int32)), 10, 64)


def whole(window: MaskWindow, height: int, width: int) -> np.ndarray:
    mask = np.zeros((height, width), np.bool_)
    mask[window.rows, window.columns] = window.inside
    return mask


def found_with(masks: FloatArray | PackedMasks, boxes: FloatArray) -> NetworkDetections:
    scores = np.ones(len(masks), np.float32)
    return NetworkDetections(boxes, scores, np.zeros(len(masks), np.int64), masks, scores)


@settings(max_examples=60)
@given(
    seed=st.integers(0, 2**31), count=st.integers(0, 4), proto=st.integers(1, 30), height=st.integers(1, 90),
    width=st.integers(1, 90), is_packed=st.booleans(),
)  # fmt: skip
def test_mask_windows_are_the_masks(
    seed: int, count: int, proto: int, height: int, width: int, is_packed: bool
) -> None:
    masks, boxes = cropped_masks(seed, count, proto, proto)
    found = found_with(masks.numpy(), boxes)
    expected = boolean_masks(found, View.of("stretch", height, width))
    if is_packed:
        bits = np.zeros((count, height, words_of_row(width) * 32), np.bool_)
        bits[:, :, :width] = expected
        words = np.packbits(bits, axis=-1, bitorder="little").view("<i4").astype(np.int32)
        found = found_with(PackedMasks(words), boxes)
    windows = mask_windows(found, View.of("stretch", height, width))
    assert len(windows) == count
    for window, mask in zip(windows, expected, strict=True):
        np.testing.assert_array_equal(whole(window, height, width), mask)
        assert (window.rows, window.columns) == mask_window(mask)
        assert window.inside.flags.c_contiguous
