"""Image -> network input, for runtimes whose graph does not do it itself.

The official code has two resizers that differ by up to 0.002 of 255 at 550 px (README, "Parity"): its
evaluation uses OpenCV, its image and video paths PyTorch. This project's reference is the PyTorch one; the OpenCV one
serves where torch is not installed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from ..config.model import STRETCH, ModelConfig
from ..types import FloatArray
from .view import View

if TYPE_CHECKING:
    import torch


def preprocess(images: np.ndarray, config: ModelConfig, device: str = "cpu") -> torch.Tensor:
    """uint8 [B,H,W,3] BGR -> float32 [B,3,S,S] RGB, normalised, on `device`: the reference."""
    import torch
    import torch.nn.functional as F

    x = torch.from_numpy(images).to(device).permute(0, 3, 1, 2).float()
    mean = torch.tensor(config.normalization.mean, device=device).view(1, 3, 1, 1)
    std = torch.tensor(config.normalization.std, device=device).view(1, 3, 1, 1)
    size = (config.image_size, config.image_size)
    if config.resize == STRETCH:
        x = F.interpolate(x, size=size, mode="bilinear", align_corners=False) - mean
    else:  # the padding has the mean colour
        below, right = _padding(images, config)
        x = F.interpolate(F.pad(x - mean, (0, right, 0, below)), size=size, mode="bilinear", align_corners=False)
    return (x / std).flip(1)


def preprocess_numpy(images: np.ndarray, config: ModelConfig) -> FloatArray:
    """The same without torch: uint8 [B,H,W,3] BGR -> float32 [B,3,S,S] RGB, normalised."""
    normalization = config.normalization
    planes = planes_numpy(images, config)
    planes -= np.array(normalization.mean[::-1], np.float32).reshape(3, 1, 1)
    planes /= np.array(normalization.std[::-1], np.float32).reshape(3, 1, 1)
    return planes


def planes_numpy(images: np.ndarray, config: ModelConfig) -> FloatArray:
    """uint8 [B,H,W,3] BGR -> float32 [B,3,S,S] RGB, 0..255: resized, not normalised."""
    size = (config.image_size, config.image_size)
    below, right = _padding(images, config)
    resized = []
    for image in images.astype(np.float32):
        if below or right:
            image = cv2.copyMakeBorder(image, 0, below, 0, right, cv2.BORDER_CONSTANT, value=config.normalization.mean)
        resized.append(cv2.resize(image, size, interpolation=cv2.INTER_LINEAR))
    return np.ascontiguousarray(np.stack(resized)[..., ::-1].transpose(0, 3, 1, 2))


def _padding(images: np.ndarray, config: ModelConfig) -> tuple[int, int]:
    """Rows below and columns right of images [B,H,W,3] that the network sees besides."""
    view = View.of(config.resize, *images.shape[1:3])
    return view.seen_height - view.height, view.seen_width - view.width
