"""Uncompressed frames: what one has, and how it becomes a picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..images import checked_image
from ..types import Image

BGR = "bgr24"
_GREY = "gray"
_LIMITED, _FULL = 1, 2  # FFmpeg's AVCOL_RANGE_MPEG and AVCOL_RANGE_JPEG


@dataclass(frozen=True)
class RawPixels:
    """The bytes of a frame, plane after plane, without gaps."""

    width: int  # px
    height: int
    pixel_format: str = BGR  # FFmpeg's name
    is_full_range: bool | None = None  # of YUV; None: limited, but of grey full, as FFmpeg has it

    @property
    def bits(self) -> int:
        """Per channel."""
        _, mark, depth = self.pixel_format.removesuffix("le").partition("p")
        depth = depth if mark else self.pixel_format.removeprefix(_GREY).removesuffix("le")
        return 8 if self.pixel_format == BGR else int(depth or 8)

    @property
    def planes(self) -> tuple[tuple[int, int], ...]:
        """Rows and bytes per row of each plane."""
        size = 2 if self.bits > 8 else 1
        full = (self.height, self.width * size)
        if self.pixel_format == BGR:
            return ((self.height, 3 * self.width),)
        if self.pixel_format.startswith(_GREY):
            return (full,)
        down, right = {"420": (2, 2), "422": (1, 2), "411": (1, 4), "444": (1, 1)}[self._chroma]
        part = (-(-self.height // down), -(-self.width // right) * size)
        return (full, part, part, full) if self.pixel_format.startswith("yuva") else (full, part, part)

    @property
    def _chroma(self) -> str:
        return self.pixel_format.removeprefix("yuva").removeprefix("yuv")[:3]

    @property
    def size(self) -> int:
        """Bytes."""
        return sum(rows * row for rows, row in self.planes)

    def picture(self, data: bytes | bytearray) -> Image:
        """`size` bytes as uint8 [H,W,3] BGR. All lines of an interlaced frame are one picture."""
        if self.pixel_format == BGR:
            return checked_image(np.frombuffer(data, np.uint8).reshape(self.height, self.width, 3).copy())
        import av

        pixels = self
        if self.pixel_format.startswith(_GREY) and self.is_full_range is False:  # FFmpeg knows no limited grey
            pixels, data = self._with_neutral_colours(data)
        frame: Any = av.VideoFrame(pixels.width, pixels.height, pixels.pixel_format)
        start = 0
        for plane, (rows, row) in zip(frame.planes, pixels.planes, strict=True):
            stop = start + rows * row
            lines = np.frombuffer(plane, np.uint8)[: rows * plane.line_size].reshape(rows, plane.line_size)
            lines[:, :row] = np.frombuffer(data, np.uint8)[start:stop].reshape(rows, row)
            start = stop
        frame.color_range = _FULL if self.is_full_range else _LIMITED
        return checked_image(frame.to_ndarray(format=BGR, threads=1))

    def _with_neutral_colours(self, data: bytes | bytearray) -> tuple[RawPixels, bytes]:
        """A grey frame as one with colour."""
        name = "yuv444p" if self.bits == 8 else f"yuv444p{self.bits}le"
        neutral = np.full(self.width * self.height, 1 << (self.bits - 1), np.uint8 if self.bits == 8 else "<u2")
        return RawPixels(self.width, self.height, name, False), bytes(data) + 2 * neutral.tobytes()
