"""The only box arithmetic: priors, decoding, IoU, crop windows, pixels.

What only the PyTorch reference needs takes tensors; `make_priors` and the rules for pixels serve every runtime and
therefore know numpy alone.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from ..config.model import ModelConfig
from ..types import FloatArray, IntArray

if TYPE_CHECKING:
    import torch

CENTER_VARIANCE = 0.1  # SSD encoding (Liu et al. 2016), official `decode` in layers/box_utils.py
SIZE_VARIANCE = 0.2
FINITE_LIMIT = 1e18  # larger counts as infinite: the areas of two smaller boxes still add up to a finite float32
MIN_AREA = float(np.finfo(np.float32).tiny)  # so that the IoU of two boxes without area is 0, not 0 / 0


def make_priors(config: ModelConfig) -> FloatArray:
    """Anchor boxes of all levels, [N,4] float32: cx cy w h, relative to the image.

    Level by level, row by row, then scales, then aspect ratios, as the official `PredictionModule.make_priors`.
    """
    levels = []
    for size, scales, ratios in zip(config.level_sizes, config.scales, config.level_aspect_ratios, strict=True):
        shapes = []
        for scale in scales:
            for aspect_ratio in ratios:
                width = scale * math.sqrt(aspect_ratio) / config.image_size
                height = width if config.square_anchors else scale / math.sqrt(aspect_ratio) / config.image_size
                shapes.append((width, height))
        level = np.empty((size, size, len(shapes), 4))
        centers = (np.arange(size) + 0.5) / size
        level[..., 0] = centers[None, :, None]
        level[..., 1] = centers[:, None, None]
        level[..., 2:] = shapes
        levels.append(level.reshape(-1, 4))
    return np.concatenate(levels).astype(np.float32)


def decode(loc: torch.Tensor, priors: torch.Tensor) -> torch.Tensor:
    """Box regressions `loc` [...,N,4] on `priors` [N,4] -> boxes [...,N,4] x1 y1 x2 y2, relative, not clipped."""
    import torch

    centers = priors[:, :2] + loc[..., :2] * CENTER_VARIANCE * priors[:, 2:]
    sizes = priors[:, 2:] * torch.exp(loc[..., 2:] * SIZE_VARIANCE)
    top_left = centers - sizes / 2
    return torch.cat((top_left, sizes + top_left), dim=-1)


def box_iou(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """IoU of boxes `a` [...,n,4] and `b` [...,m,4], x1 y1 x2 y2 -> [...,n,m]. No area gives 0."""
    import torch

    a_x1, a_y1, a_x2, a_y2 = (coordinate.unsqueeze(-1) for coordinate in a.unbind(-1))  # [...,n,1]
    b_x1, b_y1, b_x2, b_y2 = (coordinate.unsqueeze(-2) for coordinate in b.unbind(-1))  # [...,1,m]
    width = (torch.minimum(a_x2, b_x2) - torch.maximum(a_x1, b_x1)).clamp(min=0)
    height = (torch.minimum(a_y2, b_y2) - torch.maximum(a_y1, b_y1)).clamp(min=0)
    intersection = width * height
    a_area = ((a_x2 - a_x1) * (a_y2 - a_y1)).clamp(min=MIN_AREA)
    b_area = ((b_x2 - b_x1) * (b_y2 - b_y1)).clamp(min=MIN_AREA)
    return intersection / (a_area + b_area - intersection)


def ordered_extent(start: FloatArray, end: FloatArray, size: int, padding: int = 0) -> tuple[FloatArray, FloatArray]:
    """Relative coordinates along an axis of `size` px -> padded extents in px, float32 of the same shape.

    The official `sanitize_coordinates`: put in order, then the lower end is held at 0 and the upper one at `size`,
    each from that side only.
    """
    start, end = start * np.float32(size), end * np.float32(size)
    low, high = np.minimum(start, end), np.maximum(start, end)
    return np.maximum(low - padding, np.float32(0)), np.minimum(high + padding, np.float32(size))


def boxes_in_pixels(boxes: FloatArray, height: int, width: int) -> IntArray:
    """Relative boxes [D,4] -> [D,4] int64 x1 y1 x2 y2, px of an image of `height` x `width`, truncated."""
    x1, x2 = ordered_extent(boxes[:, 0], boxes[:, 2], width)
    y1, y2 = ordered_extent(boxes[:, 1], boxes[:, 3], height)
    return np.stack((x1, y1, x2, y2), axis=1).astype(np.int64)


def crop_windows(boxes: FloatArray, height: int, width: int) -> IntArray:
    """The part of a prototype-size mask that its box leaves, with the official padding of one pixel.

    boxes [D,4] relative; returns [D,4] int64 x1 y1 x2 y2: pixel (y, x) stays when y1 <= y < y2 and x1 <= x < x2,
    which for whole pixels is the same as the official comparison with the unrounded extents. Windows are within the
    mask; x2 <= x1 or y2 <= y1 means that nothing stays.
    """
    x1, x2 = ordered_extent(boxes[:, 0], boxes[:, 2], width, padding=1)
    y1, y2 = ordered_extent(boxes[:, 1], boxes[:, 3], height, padding=1)
    edges = np.ceil(np.stack((x1, y1, x2, y2), axis=1))
    return edges.clip(0, (width, height, width, height)).astype(np.int64)


def pairwise_iou(a: np.ndarray, b: np.ndarray) -> FloatArray:
    """IoU of boxes `a` [n,4] and `b` [m,4], x1 y1 x2 y2 in any unit -> [n,m]; 1 for equal boxes without area."""
    a, b = a.astype(np.float64)[:, None], b.astype(np.float64)[None]
    sides = np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2])
    intersection = sides.clip(min=0).prod(-1)
    union = (a[..., 2:] - a[..., :2]).prod(-1) + (b[..., 2:] - b[..., :2]).prod(-1) - intersection
    equal = (a == b).all(-1)
    return np.where(equal, 1.0, intersection / np.maximum(union, np.finfo(np.float64).tiny)).astype(np.float32)
