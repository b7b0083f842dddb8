"""Drawn frames in a window."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable

import cv2

from ..errors import OutputError
from .frames import Result

_TITLE = "yolact-deploy"
_QUIT_KEYS = (ord("q"), 27)  # and Escape


class Window:
    """A sink that shows each frame; q, Escape or closing the window ends the run."""

    needs_drawing = True

    def __init__(self, stop: Callable[[], None]) -> None:
        """stop: called when whoever looks has seen enough. Raises OutputError where no window can be opened."""
        if sys.platform == "linux" and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
            raise OutputError("--show: there is no display here (neither DISPLAY nor WAYLAND_DISPLAY is set)")
        try:
            cv2.namedWindow(_TITLE, cv2.WINDOW_NORMAL)
        except cv2.error:
            raise OutputError(
                "--show: this OpenCV was built without windows (opencv-python-headless); replace it: "
                "pip uninstall opencv-python-headless && pip install opencv-python"
            ) from None
        self._stop = stop

    def write(self, result: Result) -> None:
        """Show one frame."""
        if result.drawn is None:
            return
        cv2.imshow(_TITLE, result.drawn)
        is_closed = cv2.getWindowProperty(_TITLE, cv2.WND_PROP_VISIBLE) < 1
        if cv2.waitKey(1) & 0xFF in _QUIT_KEYS or is_closed:
            self._stop()

    def close(self, keep: bool) -> None:
        """Close the window."""
        with contextlib.suppress(cv2.error):
            cv2.destroyWindow(_TITLE)
