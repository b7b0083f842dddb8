"""Image -> network input, for runtimes whose graph does not do it itself.

The official code has two resizers that differ by up to 0.002 of 255 at 550 px (README, "Parity"): its
evaluation uses OpenCV, its image and video paths PyTorch. This project's reference is the PyTorch one; the OpenCV one
serves where torch is not installed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from ..config.model import ModelConfig
from ..types import FloatArray

if TYPE_CHECKING:
    import torch


def preprocess(images: np.ndarray, config: ModelConfig, device: str = "cpu") -> torch.Tensor:
    """uint8 [B,H,W,3] BGR -> float32 [B,3,S,S] RGB, normalised, on `device`: the reference."""
    import torch
    import torch.nn.functional as F

    x = torch.from_numpy(images).to(device).permute(0, 3, 1, 2).float()
    x = F.interpolate(x, size=(config.image_size, config.image_size), mode="bilinear", align_corners=False)
    mean = torch.tensor(config.normalization.mean, device=device).view(1, 3, 1, 1)
    std = torch.tensor(config.normalization.std, device=device).view(1, 3, 1, 1)
    return ((x - mean) / std).flip(1)


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
    resized = [cv2.resize(image.astype(np.float32), size, interpolation=cv2.INTER_LINEAR) for image in images]
    return np.ascontiguousarray(np.stack(resized)[..., ::-1].transpose(0, 3, 1, 2))
