"""What the network sees of an image: all of it, stretched, or a padded square with the image at its top left.

With `ModelConfig.resize` "keep_aspect" the square's side is the image's longer one, and what the image leaves of it has
the mean colour. Detection goes on in the square: prototypes cover it, and boxes are relative to it until suppression is
done. After that boxes are relative to the image, and those in the padding lie right of it or below it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..config.model import STRETCH
from ..types import FloatArray, IntArray
from .boxes import boxes_in_pixels


@dataclass(frozen=True)
class View:
    """Of an image of `height` x `width` px, the network sees `seen_height` x `seen_width` px from the top left on."""

    height: int
    width: int
    seen_height: int
    seen_width: int

    @classmethod
    def of(cls, resize: str, height: int, width: int) -> View:
        """resize: one of config.model.RESIZE."""
        side = max(height, width)
        return cls(height, width, height, width) if resize == STRETCH else cls(height, width, side, side)

    @property
    def seen(self) -> tuple[int, int]:
        """Height and width of what the network sees, px."""
        return self.seen_height, self.seen_width

    @property
    def scale(self) -> FloatArray:
        """Factors [4] from boxes relative to what the network sees to boxes relative to the image."""
        seen: FloatArray = np.array([self.seen_width, self.seen_height] * 2, np.float32)
        image: FloatArray = np.array([self.width, self.height] * 2, np.float32)
        return seen / image

    def to_image(self, boxes: FloatArray) -> FloatArray:
        """Boxes [...,4] relative to what the network sees -> relative to the image."""
        return boxes if self.seen == (self.height, self.width) else boxes * self.scale

    def to_seen(self, boxes: FloatArray) -> FloatArray:
        """The inverse of `to_image`, exact where a box ends at an edge of what the network sees."""
        return boxes if self.seen == (self.height, self.width) else boxes / self.scale

    def pixels(self, boxes: FloatArray) -> IntArray:
        """Boxes [D,4] relative to the image -> int64, px of the image, truncated and held within what the network sees:
        one that reaches into the padding ends right of the image or below it, as in Yolact_minimal."""
        return boxes_in_pixels(self.to_seen(boxes), *self.seen)
