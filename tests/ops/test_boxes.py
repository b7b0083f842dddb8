"""boxes.py against naive loops and hand-made cases."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from yolact_deploy.config.model import NAMED_CONFIGS, ModelConfig
from yolact_deploy.ops.boxes import box_iou, boxes_in_pixels, crop_windows, decode, make_priors, ordered_extent

coordinates = st.floats(-2, 3, width=32)
boxes_strategy = st.lists(st.tuples(*[coordinates] * 4), min_size=1, max_size=6)


def naive_priors(config: ModelConfig) -> list[tuple[float, ...]]:
    priors = []
    for size, scales in zip(config.level_sizes, config.scales, strict=True):
        for row in range(size):
            for column in range(size):
                for scale in scales:
                    for ratio in config.aspect_ratios:
                        width = scale * math.sqrt(ratio) / config.image_size
                        height = scale / math.sqrt(ratio) / config.image_size
                        height = width if config.square_anchors else height
                        priors.append(((column + 0.5) / size, (row + 0.5) / size, width, height))
    return priors


@pytest.mark.parametrize("name", ["yolact_nano", "yolact_resnet50_pascal"])
def test_priors_equal_a_naive_loop(name: str) -> None:
    config = ModelConfig.named(name)
    expected = np.array(naive_priors(config), np.float32)
    np.testing.assert_array_equal(make_priors(config), expected)


def test_scales_are_the_outer_loop() -> None:
    config = ModelConfig.from_dict({"base": "yolact_nano", "scales": [[a, a * 1.5] for a in (11, 22, 44, 89, 178)]})
    np.testing.assert_array_equal(make_priors(config), np.array(naive_priors(config), np.float32))


@pytest.mark.parametrize(
    ("name", "count"), [("yolact_base", 19248), ("yolact_darknet53", 19248), ("yolact_nano", 4092)]
)
def test_number_of_priors(name: str, count: int) -> None:
    config = ModelConfig.named(name)
    assert config.num_priors == count == len(make_priors(config))


@pytest.mark.parametrize("config", NAMED_CONFIGS.values(), ids=lambda config: config.name)
def test_num_priors_counts_make_priors(config: ModelConfig) -> None:
    assert len(make_priors(config)) == config.num_priors


def test_decode_equals_the_formula() -> None:
    loc = torch.tensor([[0.5, -1.0, 2.0, -3.0]])
    prior = torch.tensor([[0.4, 0.6, 0.2, 0.1]])
    cx, cy = 0.4 + 0.5 * 0.1 * 0.2, 0.6 - 1.0 * 0.1 * 0.1
    w, h = 0.2 * math.exp(0.4), 0.1 * math.exp(-0.6)
    expected = torch.tensor([[cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2]])
    torch.testing.assert_close(decode(loc, prior), expected)


def naive_iou(a: list[float], b: list[float]) -> float:
    width = max(0.0, min(a[2], b[2]) - max(a[0], b[0]))
    height = max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - width * height
    return width * height / union if union else 0.0


@given(boxes_strategy, boxes_strategy)
def test_iou_equals_a_naive_loop(first: list[tuple[float, ...]], second: list[tuple[float, ...]]) -> None:
    a, b = (torch.tensor(boxes).sort(dim=1).values for boxes in (first, second))  # so that x1 <= x2 and y1 <= y2
    iou = box_iou(a, b)
    assert iou.shape == (len(a), len(b))
    for i, box in enumerate(a.double().tolist()):
        for j, other in enumerate(b.double().tolist()):
            area = (box[2] - box[0]) * (box[3] - box[1]) + (other[2] - other[0]) * (other[3] - other[1])
            if area > 1e-6:  # below, float32 areas are mostly rounding
                assert iou[i, j].item() == pytest.approx(naive_iou(box, other), abs=2e-3)


def test_iou_of_boxes_without_area_is_zero() -> None:
    point = torch.tensor([[0.5, 0.5, 0.5, 0.5]])
    assert box_iou(point, point).item() == 0


def test_iou_is_batched() -> None:
    boxes = torch.rand(3, 5, 4)
    whole = box_iou(boxes, boxes)
    for index in range(3):
        torch.testing.assert_close(whole[index], box_iou(boxes[index], boxes[index]), rtol=0, atol=0)


def test_boxes_in_pixels_follow_the_official_rule() -> None:
    boxes = np.array(
        [
            [0.1, 0.2, 0.5, 0.6],  # ordinary: truncated
            [0.5, 0.6, 0.1, 0.2],  # inverted: put in order
            [-0.5, -0.5, 1.5, 1.5],  # outside: held at the image
            [1.2, 1.2, 1.4, 1.4],  # beyond: the lower end is not held at the size, the upper one is
        ],
        np.float32,
    )
    expected = [[19, 19, 99, 59], [19, 19, 99, 59], [0, 0, 199, 99], [238, 118, 199, 99]]
    np.testing.assert_array_equal(boxes_in_pixels(boxes, height=99, width=199), expected)


def test_boxes_in_pixels_of_nothing() -> None:
    assert boxes_in_pixels(np.zeros((0, 4), np.float32), 10, 10).shape == (0, 4)


@given(boxes_strategy, st.integers(1, 40), st.integers(1, 40))
def test_crop_windows_equal_the_official_comparison(boxes: list[tuple[float, ...]], height: int, width: int) -> None:
    relative = np.array(boxes, np.float32)
    x1, x2 = ordered_extent(relative[:, 0], relative[:, 2], width, padding=1)
    y1, y2 = ordered_extent(relative[:, 1], relative[:, 3], height, padding=1)
    for index, (left, top, right, bottom) in enumerate(crop_windows(relative, height, width)):
        columns = [x for x in range(width) if x1[index] <= x < x2[index]]
        rows = [y for y in range(height) if y1[index] <= y < y2[index]]
        assert list(range(left, right)) == columns
        assert list(range(top, bottom)) == rows
