"""The deformable convolution against a loop over every output value."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from yolact_deploy.models.deform_conv import ModulatedDeformConv, sampling_grid


def bilinear(image: np.ndarray, y: float, x: float) -> float:
    """The value of `image` [H,W] at (y, x), px; outside it is zero."""
    top, left = math.floor(y), math.floor(x)
    value = 0.0
    for row, column in ((top, left), (top, left + 1), (top + 1, left), (top + 1, left + 1)):
        if 0 <= row < image.shape[0] and 0 <= column < image.shape[1]:
            value += image[row, column] * (1 - abs(y - row)) * (1 - abs(x - column))
    return value


def naive(layer: ModulatedDeformConv, x: np.ndarray, offset: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """DCNv2, equation 1 (Zhu et al. 2019): weight * mask * image(position + offset), summed up."""
    weight, stride = layer.weight.detach().numpy(), layer.stride[0]
    batch, _, out_height, out_width = offset.shape
    result = np.tile(layer.bias.detach().numpy()[:, None, None], (batch, 1, out_height, out_width)).astype(np.float64)
    for b, row, column, tap in np.ndindex(batch, out_height, out_width, 9):
        y = row * stride - 1 + tap // 3 + offset[b, 2 * tap, row, column]
        x_position = column * stride - 1 + tap % 3 + offset[b, 2 * tap + 1, row, column]
        for channel, image in enumerate(x[b]):
            value = bilinear(image, y, x_position) * mask[b, tap, row, column]
            result[b, :, row, column] += weight[:, channel, tap // 3, tap % 3] * value
    return result


class GivenOffsets(torch.nn.Module):
    """Stands in for `conv_offset_mask`, so that a test chooses every position itself."""

    def __init__(self, offset: np.ndarray, mask_logits: np.ndarray) -> None:
        super().__init__()
        self.output = torch.from_numpy(np.concatenate((offset, mask_logits), axis=1).astype(np.float32))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.output


def check(x: np.ndarray, offset: np.ndarray, stride: int, seed: int = 0) -> None:
    """The layer equals the loop on input `x` [B,I,H,W] with offsets [B,18,Ho,Wo]."""
    torch.manual_seed(seed)
    layer = ModulatedDeformConv(x.shape[1], 3, stride)
    mask_logits = np.random.default_rng(seed).standard_normal((len(x), 9, *offset.shape[2:])).astype(np.float32)
    layer.conv_offset_mask = GivenOffsets(offset, mask_logits)  # type: ignore[assignment]
    with torch.inference_mode():
        actual = layer(torch.from_numpy(x)).numpy()
    expected = naive(layer, x, offset, 1 / (1 + np.exp(-mask_logits)))
    np.testing.assert_allclose(actual, expected, atol=1e-4 * max(1.0, float(np.abs(expected).max())))


def random_input(rng: np.random.Generator, batch: int, height: int, width: int, stride: int) -> tuple:
    """x and zero offsets for it."""
    x = rng.standard_normal((batch, 2, height, width)).astype(np.float32)
    return x, np.zeros((batch, 18, -(-height // stride), -(-width // stride)), np.float32)


@settings(max_examples=40)
@given(
    seed=st.integers(0, 2**31), batch=st.integers(1, 3), height=st.integers(1, 9), width=st.integers(1, 9),
    stride=st.sampled_from([1, 2]), reach=st.sampled_from([0.0, 0.3, 4.0, 1e3, 1e6]),
)  # fmt: skip
def test_random_offsets(seed: int, batch: int, height: int, width: int, stride: int, reach: float) -> None:
    rng = np.random.default_rng(seed)
    x, zeros = random_input(rng, batch, height, width, stride)
    check(x, (zeros + rng.uniform(-reach, reach, zeros.shape)).astype(np.float32), stride, seed)


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("offset", [-3.0, -1.0, 1.0, 2.0, 7.0])
def test_exactly_on_pixels(stride: int, offset: float) -> None:
    """Whole offsets; near the sides they reach the border pixels, the zeros right outside, and beyond."""
    x, zeros = random_input(np.random.default_rng(1), 3, 7, 6, stride)
    check(x, zeros + np.float32(offset), stride)


@pytest.mark.parametrize("offset", [-0.5, 0.5])
def test_between_border_and_outside(offset: float) -> None:
    """Half a pixel past the border half of the value is left."""
    x, zeros = random_input(np.random.default_rng(2), 1, 4, 4, 1)
    check(x, zeros + np.float32(offset), 1)


def test_no_offsets_are_an_ordinary_convolution_at_half_weight() -> None:
    torch.manual_seed(0)
    layer = ModulatedDeformConv(4, 5, stride=2)
    x = torch.randn(2, 4, 9, 8)
    assert layer.bias is not None
    expected = torch.nn.functional.conv2d(x, layer.weight * 0.5, layer.bias, stride=2, padding=1)  # sigmoid(0) = 0.5
    torch.testing.assert_close(layer(x), expected, rtol=1e-4, atol=1e-5)


def test_channels_of_the_offsets() -> None:
    """dy and dx of each tap in turn, then the factors: a swap shows."""
    layer = ModulatedDeformConv(1, 1)
    assert layer.conv_offset_mask.bias is not None
    with torch.no_grad():
        layer.conv_offset_mask.bias.copy_(torch.arange(27.0))
    offset, mask = layer.offset_and_mask(torch.zeros(1, 1, 1, 1))
    np.testing.assert_array_equal(offset.detach().flatten(), np.arange(18.0))
    np.testing.assert_allclose(mask.detach().flatten(), 1 / (1 + np.exp(-np.arange(18.0, 27.0))), rtol=1e-6)


def test_grid_is_x_before_y_and_full_precision() -> None:
    """On the largest layer of a 550 px network the positions are exact to 1e-5 px."""
    offset = torch.zeros(1, 18, 69, 69)
    offset[:, 1::2] += 0.25  # dx
    grid = sampling_grid(offset, 138, 100, stride=2)
    assert grid.shape == (1, 9 * 69, 69, 2)
    x = ((grid[..., 0].double() + 1) * 100 - 1) / 2
    y = ((grid[..., 1].double() + 1) * 138 - 1) / 2
    columns, rows = np.arange(69) * 2 - 1, np.arange(69) * 2 - 1
    taps = np.arange(9)
    expected_x = np.broadcast_to((taps % 3)[:, None, None] + columns + 0.25, (9, 69, 69)).reshape(1, -1, 69)
    expected_y = np.broadcast_to((taps // 3)[:, None, None] + rows[:, None], (9, 69, 69)).reshape(1, -1, 69)
    np.testing.assert_allclose(x, expected_x, atol=1e-5)
    np.testing.assert_allclose(y, expected_y, atol=1e-5)
