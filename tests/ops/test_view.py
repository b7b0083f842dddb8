"""What the network sees of an image, and boxes between the two."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from yolact_deploy.config.model import ModelConfig
from yolact_deploy.ops.boxes import boxes_in_pixels
from yolact_deploy.ops.preprocess import preprocess, preprocess_numpy
from yolact_deploy.ops.view import View

SIZE = st.integers(1, 3000)


def test_a_stretched_image_is_seen_whole() -> None:
    view = View.of("stretch", 30, 70)
    boxes = np.float32([[0.1, 0.2, 0.33, 1.2]])
    assert view.seen == (30, 70)
    assert view.to_image(boxes) is boxes
    np.testing.assert_array_equal(view.pixels(boxes), boxes_in_pixels(boxes, 30, 70))


@pytest.mark.parametrize(("height", "width"), [(30, 70), (70, 30), (50, 50)])
def test_a_padded_image_is_at_the_top_left_of_a_square(height: int, width: int) -> None:
    view = View.of("keep_aspect", height, width)
    side = max(height, width)
    assert view.seen == (side, side)
    whole = np.float32([[0, 0, width / side, height / side]])
    np.testing.assert_allclose(view.to_image(whole), [[0, 0, 1, 1]], atol=1e-7)
    np.testing.assert_array_equal(view.pixels(np.float32([[0, 0, 1, 1]])), [[0, 0, width, height]])


@given(height=SIZE, width=SIZE)
def test_a_box_of_the_whole_square_stays_whole(height: int, width: int) -> None:
    """However the two divisions round: such boxes are common, because boxes are clipped to the square."""
    view = View.of("keep_aspect", height, width)
    square = np.float32([[0, 0, 1, 1]])
    np.testing.assert_array_equal(view.to_seen(view.to_image(square)), square)
    np.testing.assert_array_equal(view.pixels(view.to_image(square)), [[0, 0, *reversed(view.seen)]])


@pytest.mark.parametrize(("height", "width"), [(32, 64), (64, 32)])
def test_padding_has_the_mean_colour(height: int, width: int) -> None:
    config = ModelConfig(image_size=64, resize="keep_aspect")
    image = np.random.default_rng(0).integers(0, 256, (1, height, width, 3), np.uint8)
    expected = np.zeros((1, 3, 64, 64), np.float32)
    mean, std = (np.float32(values) for values in (config.normalization.mean, config.normalization.std))
    expected[:, :, :height, :width] = ((image - mean) / std)[..., ::-1].transpose(0, 3, 1, 2)
    for tensor in (preprocess(image, config).numpy(), preprocess_numpy(image, config)):
        np.testing.assert_allclose(tensor, expected, atol=1e-5)
