"""A part of each frame that is looked at, with detections in coordinates of the whole frame."""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass

import numpy as np

from ..errors import ConfigError, ImageError
from ..types import Image, MaskWindow, WindowedDetections

_FORM = re.compile(r"\s*(\d{1,6})\s*,\s*(\d{1,6})\s*,\s*(\d{1,6})\s*,\s*(\d{1,6})\s*")


@dataclass(frozen=True)
class Region:
    """A rectangle, px."""

    x: int  # of its left column
    y: int  # of its top row
    width: int
    height: int

    @classmethod
    def parse(cls, text: str) -> Region:
        """Read X,Y,W,H, such as 320,0,640,720. Raises ConfigError."""
        match = _FORM.fullmatch(text)
        if match is None or not text.isascii():
            raise ConfigError(f"--roi {text!r}: write X,Y,W,H in whole pixels, such as 320,0,640,720")
        region = cls(*map(int, match.groups()))
        if region.width == 0 or region.height == 0:
            raise ConfigError(f"--roi {text}: width and height are 1 px or more")
        return region

    def __str__(self) -> str:
        return f"{self.x},{self.y},{self.width},{self.height}"

    def of(self, image: Image) -> Image:
        """That part of an image [H,W,3]. Raises ImageError when it is not wholly inside."""
        height, width = image.shape[:2]
        if self.x + self.width > width or self.y + self.height > height:
            raise ImageError(f"--roi {self} (X,Y,W,H) is not inside {width}x{height} px")
        return np.ascontiguousarray(image[self.y : self.y + self.height, self.x : self.x + self.width])

    def moved(self, found: WindowedDetections, height: int, width: int) -> WindowedDetections:
        """Detections of this part as those of a whole frame of height x width px."""
        masks = tuple(_moved(mask, self.y, self.x) for mask in found.masks)
        boxes = found.boxes + np.array((self.x, self.y, self.x, self.y), found.boxes.dtype)
        return dataclasses.replace(found, boxes=boxes, masks=masks, height=height, width=width)


def _moved(mask: MaskWindow, down: int, right: int) -> MaskWindow:
    if mask.inside.size == 0:
        return mask
    rows, columns = mask.rows, mask.columns
    return MaskWindow(
        slice(rows.start + down, rows.stop + down), slice(columns.start + right, columns.stop + right), mask.inside
    )
