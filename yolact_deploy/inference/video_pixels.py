"""Decoded frames as pictures."""

from __future__ import annotations

import itertools
from fractions import Fraction
from typing import Any

import numpy as np

from ..images import checked_image
from ..types import Image

_QUARTER_TURN = 90  # degrees
_BITS = 8  # per channel, that are kept


def unusual_pixels(aspect: Fraction | None, width: int, height: int, is_interlaced: bool, bits: int) -> str:
    """What a reader of the results should know of the frames of a video, in words; empty where it is as usual.

    aspect: width by height of a pixel, None for square ones. width, height: px as they are stored. bits: per channel.
    """
    facts = []
    if aspect is not None:
        facts.append(
            f"pixels are not square ({aspect.numerator}:{aspect.denominator}): boxes and masks count the stored "
            f"pixels, {width}x{height}"
        )
    if is_interlaced:
        facts.append("interlaced: both fields of a frame are taken as one picture")
    if bits > _BITS:
        facts.append(f"{bits} bits per channel are reduced to {_BITS}")
    return "; ".join(facts)


class VideoPixels:
    """Turns each av.VideoFrame of a video into uint8 [H,W,3] BGR, upright."""

    def __init__(self, time_base: Fraction) -> None:
        """time_base: of the video's time stamps, s."""
        self._time_base = time_base
        self._graph: Any = None
        self._layout: tuple[str, int, int] | None = None  # that the graph is for

    def of(self, frame: Any) -> Image:
        """The picture of one frame."""
        turns = round(frame.rotation / _QUARTER_TURN) % 4
        image = (self._both_fields(frame) if frame.interlaced_frame else frame).to_ndarray(format="bgr24", threads=1)
        return checked_image(np.rot90(image, turns) if turns else image)

    def _both_fields(self, frame: Any) -> Any:
        """An interlaced frame as one picture of all its lines. FFmpeg would take the colours of its two fields apart,
        although few interlaced videos were made so, and no other reader does."""
        import av

        layout = (frame.format.name, frame.width, frame.height)
        if layout != self._layout:
            self._graph = av.filter.Graph()
            source = self._graph.add_buffer(
                width=frame.width, height=frame.height, format=frame.format, time_base=self._time_base
            )
            steps = (source, self._graph.add("setfield", "prog"), self._graph.add("buffersink"))
            for one, next_one in itertools.pairwise(steps):
                one.link_to(next_one)
            self._graph.configure()
            self._layout = layout
        self._graph.push(frame)
        return self._graph.pull()
