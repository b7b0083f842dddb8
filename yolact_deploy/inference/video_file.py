"""Drawn frames into a video."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from ..errors import OutputError
from ..files import check_output_path, temporary_beside
from ..types import Image
from .frames import Result

CODECS = {  # by suffix: what the common builds of OpenCV bring
    ".mp4": "mp4v", ".m4v": "mp4v", ".mov": "mp4v", ".mkv": "mp4v", ".avi": "MJPG", ".webm": "VP80",
}  # fmt: skip
_FOURCC_LETTERS = 4
_STDERR = 2  # file descriptor


class VideoFile:
    """A sink: one video of the source's rate and its first frame's size; other sizes are scaled to it.

    Frames that came in real time are repeated or left out so that the video takes as long as they did.
    """

    needs_drawing = True

    def __init__(self, path: Path, rate: float, codec: str | None = None, force: bool = False) -> None:
        """rate: frames a second. codec: four letters, None for the suffix's own.

        Raises OutputError when `path` cannot be written, or exists without `force`, or the codec's name is none.
        """
        if path.suffix.lower() not in CODECS:
            raise OutputError(f"{path}: unknown kind of video; use one of {', '.join(CODECS)}")
        self._codec = codec or CODECS[path.suffix.lower()]
        if len(self._codec) != _FOURCC_LETTERS or not self._codec.isascii():
            raise OutputError(f"codec {self._codec!r}: four letters, such as mp4v or MJPG")
        self._path = check_output_path(path, force)
        self._temporary = temporary_beside(path)
        self._rate = rate
        self._writer: cv2.VideoWriter | None = None
        self._size = (0, 0)  # width, height, px
        self._written = 0

    def write(self, result: Result) -> None:
        """Append one frame. Raises OutputError when the codec is missing."""
        image = result.drawn
        if image is None:
            return
        if self._writer is None:
            self._writer = self._open(image)
        if image.shape[1::-1] != self._size:
            image = np.asarray(cv2.resize(image, self._size, interpolation=cv2.INTER_AREA), np.uint8)
        time_s = result.frame.time_s
        count = 1 if time_s is None else int(time_s * self._rate) + 1 - self._written
        for _ in range(count):
            self._writer.write(image)
        self._written += max(count, 0)

    def _open(self, image: Image) -> cv2.VideoWriter:
        height, width = image.shape[:2]
        self._size = (width, height)
        with _stderr_muted():
            code = cv2.VideoWriter.fourcc(*self._codec)
            writer = cv2.VideoWriter(str(self._temporary), code, self._rate, self._size)
        if not writer.isOpened():
            raise OutputError(
                f"this OpenCV cannot write {self._path.name} with codec {self._codec} at {width}x{height} px: "
                "try --codec MJPG and a name that ends in .avi"
            )
        return writer

    def close(self, keep: bool) -> None:
        """Finish the video and give it its name. Raises OutputError when it is not whole, as on a full disk."""
        if self._writer is None:
            self._temporary.unlink(missing_ok=True)
            return
        self._writer.release()
        try:
            if keep:
                self._check()
                os.replace(self._temporary, self._path)
        except OSError as error:
            raise OutputError(f"cannot write {self._path}: {error.strerror or error}") from None
        finally:
            self._temporary.unlink(missing_ok=True)

    def _check(self) -> None:
        """OpenCV does not say when a write fails, so the file is asked."""
        reader = cv2.VideoCapture(str(self._temporary))
        count = reader.get(cv2.CAP_PROP_FRAME_COUNT) if reader.isOpened() else 0
        reader.release()
        if count < self._written * 0.98 - 2:  # containers estimate
            raise OutputError(f"cannot write {self._path}: {max(int(count), 0)} of {self._written} frames; disk full?")


@contextlib.contextmanager
def _stderr_muted() -> Iterator[None]:
    """What OpenCV prints past its own log, on codecs that it knows under another name, is not ours to show."""
    sys.stderr.flush()
    kept = os.dup(_STDERR)
    try:
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), _STDERR)
        yield
    finally:
        os.dup2(kept, _STDERR)
        os.close(kept)
