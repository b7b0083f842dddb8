"""The values that flow between the parts. Letters: B batch, N priors, C classes without background,
K coefficients per mask, D detections kept, Hp Wp prototype size."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from .errors import ConfigError

if TYPE_CHECKING:
    import torch

Image = npt.NDArray[np.uint8]  # [H,W,3] BGR
BoolArray = npt.NDArray[np.bool_]
FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]

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

    def above(self, score_threshold: float) -> NetworkDetections:
        """Only the detections that score at least `score_threshold`; they are a prefix, best first."""
        return self[: int(np.count_nonzero(self.scores >= score_threshold))]

    def __getitem__(self, keep: slice | BoolArray | IntArray) -> NetworkDetections:
        return NetworkDetections(
            self.boxes[keep], self.scores[keep], self.classes[keep], self.masks[keep], self.mask_scores[keep]
        )


@dataclass(frozen=True)
class Detections:
    """The detections of one image, best score first. No detections is an ordinary result with D = 0."""

    boxes: IntArray  # [D,4] x1 y1 x2 y2 in image pixels
    scores: FloatArray  # [D] box scores
    mask_scores: FloatArray  # [D] equal to `scores` except for YOLACT++
    classes: IntArray  # [D] 0-based class index, background not counted
    masks: BoolArray  # [D,H,W] at image size

    def __len__(self) -> int:
        return len(self.scores)

    @property
    def height(self) -> int:
        """Image height, px."""
        return int(self.masks.shape[1])

    @property
    def width(self) -> int:
        """Image width, px."""
        return int(self.masks.shape[2])

    @classmethod
    def empty(cls, height: int, width: int) -> Detections:
        """The result for an image of `height` x `width` px in which nothing was found."""
        return cls(
            boxes=np.zeros((0, 4), np.int64),
            scores=np.zeros(0, np.float32),
            mask_scores=np.zeros(0, np.float32),
            classes=np.zeros(0, np.int64),
            masks=np.zeros((0, height, width), np.bool_),
        )


@dataclass(frozen=True)
class MaskWindow:
    """A mask at image size, of which only the smallest rectangle that holds all of it is kept."""

    rows: slice  # of the image
    columns: slice
    inside: BoolArray  # [rows, columns]


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
