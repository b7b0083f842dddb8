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
    size = (config.image_size, config.image_size)
    resized = [cv2.resize(image.astype(np.float32), size, interpolation=cv2.INTER_LINEAR) for image in images]
    mean = np.array(config.normalization.mean, np.float32)
    std = np.array(config.normalization.std, np.float32)
    normalized = (np.stack(resized) - mean) / std
    return np.ascontiguousarray(normalized[..., ::-1].transpose(0, 3, 1, 2))
