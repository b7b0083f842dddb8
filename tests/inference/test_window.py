"""The window of --show, with stand-ins for what OpenCV shows."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import cv2
import pytest

from tests.inference.results import grey, result
from yolact_deploy.errors import OutputError
from yolact_deploy.inference.window import Window


def test_a_window_needs_a_display_and_an_opencv_with_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(variable, raising=False)
    with pytest.raises(OutputError, match="no display"):
        Window(lambda: None)

    def no_windows(*_: object) -> None:
        raise cv2.error("The function is not implemented")

    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setattr(cv2, "namedWindow", no_windows)
    with pytest.raises(OutputError, match="pip install opencv-python"):
        Window(lambda: None)


class Screen:
    """OpenCV's windows: notes each call with its thread."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, keys: Sequence[int] = (), closed_after: int = 99) -> None:
        self.calls: list[str] = []
        self.threads: set[int] = set()
        self.keys = list(keys)
        monkeypatch.setenv("DISPLAY", ":0")
        for name in ("namedWindow", "imshow", "destroyWindow"):
            monkeypatch.setattr(cv2, name, lambda *_, name=name: self.note(name))
        monkeypatch.setattr(cv2, "waitKey", lambda _: self.note("waitKey", self.keys.pop(0) if self.keys else -1))
        monkeypatch.setattr(
            cv2, "getWindowProperty", lambda *_: self.note("", float(self.calls.count("imshow") <= closed_after))
        )

    def note(self, name: str, value: float = 0) -> float:
        self.calls += [name] if name else []
        self.threads.add(threading.get_ident())
        return value

    @property
    def shown(self) -> int:
        return self.calls.count("imshow")


def show(frames: int) -> int:
    """How often the window asks to stop."""
    stops: list[None] = []
    window = Window(lambda: stops.append(None))
    for index in range(frames):
        window.write(result(index, grey(index)))
    window.close(keep=True)
    return len(stops)


def test_everything_happens_in_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whichever thread opens, writes and closes: OpenCV on Qt hangs otherwise."""
    screen = Screen(monkeypatch)
    assert show(3) == 0
    assert screen.calls == ["namedWindow", *3 * ["imshow", "waitKey"], "destroyWindow"]
    assert len(screen.threads) == 1
    assert screen.threads != {threading.get_ident()}


@pytest.mark.parametrize("key", [ord("q"), 27])
def test_a_key_ends_it(monkeypatch: pytest.MonkeyPatch, key: int) -> None:
    screen = Screen(monkeypatch, keys=(-1, ord("x"), key))
    assert show(5) == 3  # and says so until it is heard
    assert screen.shown == 3


def test_a_closed_window_ends_it_and_is_not_opened_again(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Screen(monkeypatch, closed_after=1)
    assert show(5) > 0
    assert screen.shown == 2


def test_a_window_that_has_gone_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(*_: object) -> None:
        raise cv2.error("NULL window")

    screen = Screen(monkeypatch)
    for name in ("imshow", "destroyWindow"):
        monkeypatch.setattr(cv2, name, gone)
    assert show(2) == 2
    assert screen.shown == 0
