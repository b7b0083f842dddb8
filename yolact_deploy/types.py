"""The values that flow between the parts. Letters: B batch, N priors, C classes without background,
K coefficients per mask, D detections kept, Hp Wp prototype size."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from .detections import BoolArray, Detection, Detections, FloatArray, IntArray
from .errors import ConfigError
from .formats.window import MaskWindow

if TYPE_CHECKING:
    import torch

Image = npt.NDArray[np.uint8]  # [H,W,3] BGR

__all__ = [
    "Advance",
    "BoolArray",
    "Detection",
    "Detections",
    "FloatArray",
    "Image",
    "ImageSize",
    "IntArray",
    "KeptDetections",
    "MaskWindow",
    "NetworkDetections",
    "PackedMasks",
    "RawOutputs",
    "WindowedDetections",
]

Advance = Callable[[int, "int | None"], object]  # progress: how much is done, of how much where that is known

WORD_BITS = 32  # pixels of a row that a word of packed masks holds


@dataclass(frozen=True)
class ImageSize:
    """The size of a picture, px."""

    width: int
    height: int

    @classmethod
    def parse(cls, text: str) -> ImageSize:
        """Read WIDTHxHEIGHT, such as 640x480. Raises ConfigError."""
        match = re.fullmatch(r"([1-9]\d{0,5})x([1-9]\d{0,5})", text)
        if match is None:
            raise ConfigError(f"image size {text!r}: write WIDTHxHEIGHT in pixels, such as 640x480")
        return cls(int(match[1]), int(match[2]))

    def __str__(self) -> str:
        return f"{self.width}x{self.height}"


@dataclass(frozen=True)
class RawOutputs:
    """What the network says of a batch, before any decision."""

    loc: torch.Tensor  # [B,N,4] box regressions
    conf: torch.Tensor  # [B,N,1+C] class probabilities after softmax, background first
    coef: torch.Tensor  # [B,N,K] mask coefficients after tanh
    proto: torch.Tensor  # [B,Hp,Wp,K] prototypes after ReLU
    priors: torch.Tensor  # [N,4] anchors: cx cy w h, relative to the image


@dataclass(frozen=True)
class KeptDetections:
    """What Fast NMS keeps of one image, best score first."""

    boxes: torch.Tensor  # [D,4] x1 y1 x2 y2, relative to the image, not clipped
    scores: torch.Tensor  # [D]
    classes: torch.Tensor  # [D] int64, 0-based, background not counted
    coefs: torch.Tensor  # [D,K]
    prior_indices: torch.Tensor  # [D] int64


@dataclass(frozen=True)
class PackedMasks:
    """Masks at image size, one bit per pixel: what a model that was exported with image-size masks returns."""

    words: npt.NDArray[np.int32]  # [D,H,ceil(W/32)]: bit b of word w is pixel 32 w + b of its row, 0 past the width

    def __len__(self) -> int:
        return len(self.words)

    def __getitem__(self, keep: slice | BoolArray | IntArray) -> PackedMasks:
        return PackedMasks(self.words[keep])

    def copy(self) -> PackedMasks:
        """The same in memory of its own."""
        return PackedMasks(self.words.copy())


@dataclass(frozen=True)
class NetworkDetections:
    """The detections of one image as an engine returns them: boxes relative, masks as the model makes them."""

    boxes: FloatArray  # [D,4] x1 y1 x2 y2, relative to the image, not clipped
    scores: FloatArray  # [D]
    classes: IntArray  # [D]
    masks: FloatArray | PackedMasks  # [D,Hp,Wp] after sigmoid and crop, or done
    mask_scores: FloatArray  # [D]

    def __len__(self) -> int:
        return len(self.scores)

    def above(self, lowest: float | FloatArray) -> NetworkDetections:
        """Only the detections that score at least `lowest`, for all classes or for each [C]; still best first."""
        if isinstance(lowest, np.ndarray):  # compared as float32: a threshold that is a score keeps its detection
            return self[self.scores >= lowest.astype(np.float32).take(self.classes, mode="clip")]
        return self[: int(np.count_nonzero(self.scores >= np.float32(lowest)))]

    def __getitem__(self, keep: slice | BoolArray | IntArray) -> NetworkDetections:
        return NetworkDetections(
            self.boxes[keep], self.scores[keep], self.classes[keep], self.masks[keep], self.mask_scores[keep]
        )


@dataclass(frozen=True)
class WindowedDetections:
    """`Detections` with each mask only where it is set: for whoever draws or writes them, and for large images."""

    boxes: IntArray  # [D,4] x1 y1 x2 y2 in image pixels
    scores: FloatArray  # [D] box scores, highest first
    mask_scores: FloatArray  # [D] equal to `scores` except for YOLACT++
    classes: IntArray  # [D] 0-based class index, background not counted
    masks: tuple[MaskWindow, ...]  # D of them
    height: int  # of the image, px
    width: int

    def __len__(self) -> int:
        return len(self.scores)
