"""Drawn frames in a window."""

from __future__ import annotations

import contextlib
import os
import queue
import sys
import threading
from collections.abc import Callable

import cv2

from ..errors import OutputError
from ..types import Image
from .frames import Result

_TITLE = "yolact-deploy"
_QUIT_KEYS = (ord("q"), 27)  # and Escape


class Window:
    """A sink that shows each frame; q, Escape or closing the window ends the run.

    The window has a thread of its own: OpenCV on Qt hangs when a window is opened in one thread and drawn in another.
    """

    needs_drawing = True

    def __init__(self, stop: Callable[[], None]) -> None:
        """stop: called when whoever looks has seen enough. Raises OutputError where no window can be opened."""
        if sys.platform == "linux" and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
            raise OutputError("--show: there is no display here (neither DISPLAY nor WAYLAND_DISPLAY is set)")
        self._stop = stop
        self._frames: queue.Queue[Image | None] = queue.Queue(maxsize=1)  # None: there are no more
        self._is_tried = threading.Event()  # whether it opened is known
        self._is_open = False
        self._thread = threading.Thread(target=self._live, daemon=True)
        self._thread.start()
        self._is_tried.wait()
        if not self._is_open:
            raise OutputError(
                "--show: this OpenCV was built without windows (opencv-python-headless); replace it: "
                "pip uninstall opencv-python-headless && pip install opencv-python"
            )

    def write(self, result: Result) -> None:
        """Show one frame."""
        if result.drawn is not None:
            self._frames.put(result.drawn)

    def close(self, keep: bool) -> None:
        """Close the window."""
        self._frames.put(None)
        self._thread.join()

    def _live(self) -> None:
        """From opening the window to closing it."""
        try:
            cv2.namedWindow(_TITLE, cv2.WINDOW_NORMAL)
            self._is_open = True
        except cv2.error:
            return
        finally:
            self._is_tried.set()
        is_wanted = True
        while (image := self._frames.get()) is not None:
            is_wanted = is_wanted and self._show(image)
            if not is_wanted:
                self._stop()
        with contextlib.suppress(cv2.error):
            cv2.destroyWindow(_TITLE)

    @staticmethod
    def _show(image: Image) -> bool:
        """Whether whoever looks wants to see more."""
        try:
            cv2.imshow(_TITLE, image)
            key = cv2.waitKey(1) & 0xFF
            return key not in _QUIT_KEYS and cv2.getWindowProperty(_TITLE, cv2.WND_PROP_VISIBLE) >= 1
        except cv2.error:  # the window has gone
            return False
