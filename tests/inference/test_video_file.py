"""Videos: rate, sizes, frames in real time, codecs, a full disk."""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.inference.results import grey, result
from yolact_deploy.errors import OutputError
from yolact_deploy.inference.video_file import VideoFile


def frames_of(path: Path) -> list[int]:
    capture = cv2.VideoCapture(str(path))
    values = []
    while (read := capture.read())[0]:
        values.append(int(read[1].mean()))
    capture.release()
    return values


@pytest.mark.parametrize("name", ["a.mp4", "a.avi", "größe 猫.mkv"])
def test_video(tmp_path: Path, name: str) -> None:
    sink = VideoFile(tmp_path / name, 12.5)
    for index in range(10):
        sink.write(result(index, grey(20 * index) if index != 5 else grey(100, 96, 128)))  # one of another size
    assert not (tmp_path / name).exists()
    sink.close(keep=True)
    assert os.listdir(tmp_path) == [name]
    np.testing.assert_allclose(frames_of(tmp_path / name), range(0, 200, 20), atol=4)
    assert cv2.VideoCapture(str(tmp_path / name)).get(cv2.CAP_PROP_FPS) == pytest.approx(12.5, rel=0.01)


def test_a_live_video_takes_as_long_as_it_did(tmp_path: Path) -> None:
    sink = VideoFile(tmp_path / "a.avi", 10.0)
    for index, time_s in enumerate((0.0, 0.01, 0.3, 1.0)):
        sink.write(result(index, grey(60 * index), time_s=time_s))
    sink.close(keep=True)
    np.testing.assert_allclose(frames_of(tmp_path / "a.avi"), [0] + 3 * [120] + 7 * [180], atol=3)


def test_videos_that_cannot_be_written(tmp_path: Path) -> None:
    for name, codec, words in (("a.txt", None, ".mp4"), ("a.mp4", "h264x", "four letters")):
        with pytest.raises(OutputError, match=words):
            VideoFile(tmp_path / name, 25, codec)
    sink = VideoFile(tmp_path / "a.mp4", 25, "zzzz")
    with pytest.raises(OutputError, match=r"cannot write a\.mp4 with codec zzzz at 64x48 px"):
        sink.write(result(0, grey(0)))
    sink.close(keep=False)
    VideoFile(tmp_path / "b.mp4", 25).close(keep=True)  # not one frame came
    assert os.listdir(tmp_path) == []


def test_a_video_that_the_disk_had_no_room_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sink = VideoFile(tmp_path / "a.avi", 25)
    for index in range(50):
        sink.write(result(index, grey(index)))
    temporary = next(tmp_path.iterdir())
    monkeypatch.setattr(sink, "_check", lambda check=sink._check: (os.truncate(temporary, 100), check()))
    with pytest.raises(OutputError, match="0 of 50 frames"):
        sink.close(keep=True)
    assert os.listdir(tmp_path) == []
