"""What `infer` sets up in its process: signals, and libraries that speak by themselves."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from .. import console

if TYPE_CHECKING:
    from ..inference.options import InferOptions

STOPPING_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def signals_stop(stop: Callable[[], None]) -> Iterator[list[signal.Signals]]:
    """Ctrl-C and its like call `stop` instead of tearing files apart; the list holds those that came."""
    received: list[signal.Signals] = []
    if threading.current_thread() is not threading.main_thread():  # others get no signals
        yield received
        return

    def on_signal(number: int, frame: object) -> None:
        received.append(signal.Signals(number))
        stop()

    numbers = [number for number in STOPPING_SIGNALS if callable(signal.getsignal(number))]
    before = {number: signal.signal(number, on_signal) for number in numbers}
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def tell_ids(options: InferOptions) -> None:
    """A line where the JSON files have ids that no data set of the user has."""
    if options.files_with_ids and options.annotations is None:
        console.say("ids in JSON are the model's: categories by class, images by name; --annotations takes yours")


def prepare_libraries() -> None:
    """One thread of OpenCV per stage; what OpenCV and FFmpeg print is said in our own words, and -v lets them speak."""
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # PyTorch's idle threads sleep; read when it is loaded
    if not console.VERBOSE.get():
        os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")
        os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")  # AV_LOG_QUIET
    import cv2

    cv2.setNumThreads(1)  # each stage has its thread; OpenCV's own pool only takes the cores from the model
    if not console.VERBOSE.get():
        from cv2.utils import logging

        logging.setLogLevel(logging.LOG_LEVEL_SILENT)
