"""The camera example with a video for a camera, in this process and in one of its own."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import cv2
import numpy as np
import pytest

from tests.conftest import NANO, ROOT
from yolact_deploy.draw import draw_detections
from yolact_deploy.predictor import Predictor
from yolact_deploy.types import Image

SCRIPT = ROOT / "examples/camera.py"
PICTURES = sorted((NANO / "images").glob("*.jpg"))[:3]


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three frames of 320x240 px."""
    path = tmp_path_factory.mktemp("camera") / "video.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10, (320, 240))
    assert writer.isOpened()
    for picture in PICTURES:
        writer.write(cv2.resize(cv2.imread(str(picture)), (320, 240)))
    writer.release()
    return path


@pytest.fixture
def camera() -> ModuleType:
    """The script as a module."""
    spec = importlib.util.spec_from_file_location("camera_example", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[Image]:
    """What is drawn into the window of a display that this machine does not have; q is pressed after two frames."""
    frames: list[Image] = []
    monkeypatch.setenv("DISPLAY", ":7")
    monkeypatch.setattr(cv2, "currentUIFramework", lambda: "GTK3")
    monkeypatch.setattr(cv2, "imshow", lambda title, frame: frames.append(frame))
    monkeypatch.setattr(cv2, "waitKey", lambda delay: ord("q") if len(frames) == 2 else -1)
    return frames


def frames_of(video: Path) -> list[Image]:
    capture, frames = cv2.VideoCapture(str(video)), []
    while True:
        is_read, frame = capture.read()
        if not is_read:
            return frames
        frames.append(np.asarray(frame, np.uint8))


def environment() -> dict[str, str]:
    """Without a display."""
    kept = {key: value for key, value in os.environ.items() if key not in ("DISPLAY", "WAYLAND_DISPLAY")}
    return {**kept, "PYTHONPATH": str(ROOT)}


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPT), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env=environment())


def test_it_is_short() -> None:
    assert len(SCRIPT.read_text().splitlines()) < 40


def test_without_a_display_it_prints_the_classes(nano_onnx: Path, video: Path) -> None:
    done = run(nano_onnx, video)
    assert (done.returncode, done.stderr) == (0, "")
    with Predictor.open(nano_onnx, score_threshold=0.3) as predictor:
        names = predictor.metadata.config.class_names
        expected = [[names[index] for index in predictor(frame).classes] for frame in frames_of(video)]
    assert [line.split(", ") for line in done.stdout.splitlines()] == expected
    assert len(expected) == 3
    assert all(expected)


def test_with_a_display_it_shows_frames_until_q(
    camera: ModuleType, shown: list[Image], nano_onnx: Path, video: Path
) -> None:
    camera.main(str(nano_onnx), str(video))
    with Predictor.open(nano_onnx, score_threshold=0.3) as predictor:
        names = predictor.metadata.config.class_names
        expected = [draw_detections(frame, predictor(frame), names) for frame in frames_of(video)[:2]]
    assert len(shown) == 2
    for frame, wanted in zip(shown, expected, strict=True):
        assert (frame == wanted).all()


def test_a_camera_by_its_number(
    camera: ModuleType,
    nano_onnx: Path,
    video: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    asked: list[Any] = []
    capture = cv2.VideoCapture(str(video))
    monkeypatch.setattr(cv2, "VideoCapture", lambda source: asked.append(source) or capture)
    camera.main(str(nano_onnx), "2")
    assert asked == [2]
    assert len(capsys.readouterr().out.splitlines()) == 3
    assert not capture.isOpened()


INTERRUPTED = """
import runpy, signal, sys
import cv2

class Interrupted:
    def __init__(self, source): pass

    def isOpened(self):
        return True

    def read(self):
        signal.raise_signal(signal.SIGINT)

signal.signal(signal.SIGINT, signal.default_int_handler)  # which a shell's background leaves out
cv2.VideoCapture = Interrupted
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def test_interrupted_it_ends_in_silence(nano_onnx: Path, video: Path) -> None:
    command = [sys.executable, "-c", INTERRUPTED, str(SCRIPT), str(nano_onnx), str(video)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment())
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_it_ends_in_silence_when_nobody_reads_on(nano_onnx: Path, video: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as closed:
        command = [sys.executable, str(SCRIPT), str(nano_onnx), str(video)]
        done = subprocess.run(command, stdout=closed, stderr=subprocess.PIPE, text=True, env=environment())
    assert (done.returncode, done.stderr) == (0, "")


def test_no_such_camera_model_or_words(nano_onnx: Path, video: Path, tmp_path: Path) -> None:
    done = run(nano_onnx, tmp_path / "none.avi")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith(
        f"error: cannot open camera {tmp_path / 'none.avi'}: is it connected"
    )
    assert "Traceback" not in done.stderr
    done = run(tmp_path / "none.onnx", video)
    assert (done.returncode, done.stderr) == (1, f"error: no such file: {tmp_path / 'none.onnx'}\n")
    assert run().stderr.startswith("Shows what a model sees: python examples/camera.py MODEL")
