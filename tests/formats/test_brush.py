"""Brush labels, read back bit by bit as their definition says."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis.extra import numpy as arrays

from yolact_deploy.formats.brush import encode_brush
from yolact_deploy.formats.window import window_of
from yolact_deploy.types import BoolArray


def decoded(data: list[int], height: int, width: int) -> BoolArray:
    """A naive reader: one run after the other."""
    bits = "".join(f"{byte:08b}" for byte in data)
    at = 0

    def read(count: int) -> int:
        nonlocal at
        at += count
        return int(bits[at - count : at], 2)

    count, value_bits = read(32), read(5) + 1
    sizes = [read(4) + 1 for _ in range(4)]
    values: list[int] = []
    while len(values) < count:
        is_run = read(1)
        length = read(sizes[read(2)]) + 1
        values += [read(value_bits)] * length if is_run else [read(value_bits) for _ in range(length)]
    assert len(values) == count == height * width * 4
    assert len(bits) - at < 8
    pixels = np.reshape(values, (height, width, 4))
    assert set(np.unique(pixels)) <= {0, 255}
    assert (pixels == pixels[:, :, :1]).all()
    return pixels[:, :, 3] > 0


@settings(deadline=None, max_examples=150)
@given(arrays.arrays(np.bool_, arrays.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=30)))
def test_it_is_read_back(mask: BoolArray) -> None:
    np.testing.assert_array_equal(decoded(encode_brush(window_of(mask), *mask.shape), *mask.shape), mask)


def test_long_runs_become_several() -> None:
    """65,536 values are the longest run: 16,384 pixels."""
    for pixels in (16_383, 16_384, 16_385, 32_768, 50_000):
        mask = np.zeros((4, 50_000), np.bool_)
        mask[1, :pixels] = True
        np.testing.assert_array_equal(decoded(encode_brush(window_of(mask), *mask.shape), *mask.shape), mask)
