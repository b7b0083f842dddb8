"""A camera as a source, read through OpenCV."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Iterator
from fractions import Fraction
from typing import Any, Protocol

import cv2

from ..errors import ImageError
from ..images import checked_image
from .frames import Failure, Frame
from .video_form import DEFAULT_RATE, VideoForm

MAX_RATE = 1000.0  # frames per second
_CAMERA = re.compile(r"(?:/dev/video)?([0-9]+)")
_MAX_DIGITS = 2  # OpenCV takes 100 and more for the number of a driver


class Capture(Protocol):
    """The part of cv2.VideoCapture that is used."""

    def read(self) -> tuple[bool, Any]: ...
    def get(self, property_id: int, /) -> float: ...
    def isOpened(self) -> bool: ...  # noqa: N802 as in OpenCV
    def release(self) -> None: ...


def is_camera(source: str) -> bool:
    """A camera's number, such as "0", or its device, such as /dev/video0."""
    return _CAMERA.fullmatch(source) is not None


def open_camera(source: str) -> CameraSource:
    """The camera that `is_camera` knows. Raises ImageError when it cannot be opened."""
    found = _CAMERA.fullmatch(source)
    number = found[1].lstrip("0") or "0" if found else ""
    if not number or len(number) > _MAX_DIGITS:
        raise ImageError(f"no camera has the number {number[:20]}: see the numbers in `ls /dev/video*`, from 0 to 99")
    capture: Capture = _capture(int(number))
    if capture.isOpened():
        return CameraSource(capture, number)
    capture.release()
    raise ImageError(
        f"cannot open camera {number}: is it connected, free, and may you read /dev/video{number}? A Jetson's CSI "
        "camera is read through GStreamer: docs/jetson.md"
    )


def _capture(number: int) -> Capture:
    return cv2.VideoCapture(number)


class CameraSource:
    """Frames of an opened camera, which it owns; the time of each is when it came."""

    is_live = True
    total: int | None = None

    def __init__(self, capture: Capture, number: str) -> None:
        """number: for names and messages."""
        self._capture, self._number = capture, number
        rate = capture.get(cv2.CAP_PROP_FPS)
        is_known = math.isfinite(rate) and 0 < rate <= MAX_RATE
        self.form = VideoForm(Fraction(rate).limit_denominator(1001) if is_known else DEFAULT_RATE)
        self.name = f"camera{number}"

    def frames(self) -> Iterator[Frame | Failure]:
        """Every frame; a failure when the camera went away."""
        start: float | None = None
        index = 0
        while True:
            is_read, image = self._capture.read()
            if not is_read or image is None:
                break
            now = time.monotonic()
            start = now if start is None else start
            yield Frame(index, index + 1, f"{self.name}_{index + 1:06d}.jpg", checked_image(image), now - start)
            index += 1
        if index == 0:
            yield Failure(f"camera {self._number} was opened but gave no picture: is another program using it?")
        else:
            yield Failure(f"camera {self._number} gave no more pictures after {index}: unplugged?")

    def close(self) -> None:
        """Give the camera back."""
        self._capture.release()
