"""Videos, cameras and network streams as a source."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import cv2

from ..errors import ImageError
from ..images import checked_image
from .frames import Failure, Frame

DEFAULT_RATE = 25.0  # frames a second, where a source does not say
MAX_RATE = 1000.0
TIMEOUT_MS = 10_000  # of a URL
# Containers estimate how many frames they hold; only more than this is missing.
_COUNT_TOLERANCE = 0.02
_COUNT_SLACK = 2  # frames


class Capture(Protocol):
    """The part of cv2.VideoCapture that is used."""

    def read(self) -> tuple[bool, Any]: ...
    def get(self, property_id: int, /) -> float: ...
    def release(self) -> None: ...


def is_camera(source: str) -> bool:
    """A camera's index, such as "0"."""
    return source.isascii() and source.isdigit()


def is_url(source: str) -> bool:
    """An address such as rtsp://..."""
    return "://" in source


def shown(source: str) -> str:
    """`source` for messages: a camera by its index, an address without name and password."""
    if is_camera(source):
        return f"camera {source}"
    return re.sub(r"(?<=://)[^/]*@", "", source)


def open_video(source: str) -> VideoSource:
    """A video file, a camera's index or a URL. Raises ImageError when it cannot be opened."""
    capture = _capture(source)
    if capture.isOpened():
        return VideoSource(capture, source)
    capture.release()
    if is_camera(source):
        raise ImageError(f"cannot open camera {source}: is it connected, free, and may you read /dev/video{source}?")
    if is_url(source):
        raise ImageError(
            f"cannot open {shown(source)}: no answer within {TIMEOUT_MS // 1000} s, or no stream that OpenCV can read"
        )
    if Path(source).stat().st_size == 0:
        raise ImageError(f"cannot read {source}: the file is empty")
    raise ImageError(f"cannot read {source}: not an image or a video that this OpenCV has a codec for, or damaged")


def _capture(source: str) -> cv2.VideoCapture:
    """Opened or not; where FFmpeg reads a URL, neither opening nor reading waits for ever."""
    if is_camera(source):
        return cv2.VideoCapture(int(source))
    if is_url(source) and cv2.CAP_FFMPEG in cv2.videoio_registry.getStreamBackends():
        limits = (cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, TIMEOUT_MS, cv2.CAP_PROP_READ_TIMEOUT_MSEC, TIMEOUT_MS)
        return cv2.VideoCapture(source, cv2.CAP_FFMPEG, limits)
    return cv2.VideoCapture(source)


class VideoSource:
    """Frames of an opened capture, which it owns."""

    def __init__(self, capture: Capture, source: str) -> None:
        """source: what was opened, for names and messages."""
        self._capture = capture
        self._source = source
        count = capture.get(cv2.CAP_PROP_FRAME_COUNT)
        self.total: int | None = int(count) if math.isfinite(count) and 0 < count < 2**53 else None
        self.is_live = is_camera(source) or (is_url(source) and self.total is None)
        if is_camera(source):
            self.total = None
        rate = capture.get(cv2.CAP_PROP_FPS)
        self.rate = rate if math.isfinite(rate) and 0 < rate <= MAX_RATE else DEFAULT_RATE  # frames a second
        self.name = f"camera{source}.mp4" if is_camera(source) else _file_name(source)

    def frames(self) -> Iterator[Frame | Failure]:
        """Every frame; a failure at the end when the video broke off or the camera went away."""
        stem = Path(self.name).stem
        start: float | None = None
        index = 0
        while True:
            is_read, image = self._capture.read()
            if not is_read or image is None:
                break
            now = time.monotonic()
            start = now if start is None else start
            time_s = now - start if self.is_live else None
            yield Frame(index, index + 1, f"{stem}_{index + 1:06d}.jpg", checked_image(image), time_s)
            index += 1
        if failure := self._shortfall(index):
            yield Failure(failure)

    def _shortfall(self, count: int) -> str:
        """What is wrong with an end after `count` frames, empty when nothing is."""
        what = shown(self._source)
        if self.is_live and count == 0:
            return f"{what} was opened but gave no picture: is another program using it?"
        if self.is_live:
            return f"{what} gave no more pictures after {count}: unplugged, or the connection broke"
        if count == 0:
            return f"cannot read {what}: no frame in it can be decoded (a codec that this OpenCV lacks, or damage)"
        missing = 0 if self.total is None else self.total - count
        if missing > max(_COUNT_SLACK, _COUNT_TOLERANCE * count):
            return f"{what} breaks off: stopped after frame {count} of {self.total}"
        return ""

    def close(self) -> None:
        """Give the camera or file back."""
        self._capture.release()


def _file_name(source: str) -> str:
    """A name for outputs: the last part of a path or address, without what follows a question mark in the latter."""
    if not is_url(source):
        return Path(source).name
    path = source.partition("://")[2].partition("?")[0].partition("#")[0].rstrip("/")
    _, _, tail = path.partition("/")
    name = tail.rpartition("/")[2] or "stream"
    return name if Path(name).suffix else f"{name}.mp4"
