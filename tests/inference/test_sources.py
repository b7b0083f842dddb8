"""Where pictures come from: files, streams of files, videos and cameras, with their faults."""

from __future__ import annotations

import io
import socket
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from yolact_deploy.errors import ImageError
from yolact_deploy.inference import video_source
from yolact_deploy.inference.frames import Failure, Frame
from yolact_deploy.inference.image_stream import split_images
from yolact_deploy.inference.picture_sources import PictureFiles, PictureStream, find_images, image_ids
from yolact_deploy.inference.video_source import DEFAULT_RATE, VideoSource, open_video, shown


def encoded(suffix: str, value: int = 100) -> bytes:
    image = np.random.default_rng(value).integers(0, 255, (40, 50, 3)).astype(np.uint8)
    return cv2.imencode(suffix, image)[1].tobytes()


def with_thumbnail(jpeg: bytes) -> bytes:
    """A JPEG whose second segment holds another whole JPEG, as EXIF does."""
    inner = b"Exif\0\0" + encoded(".jpg", 7)
    return jpeg[:2] + b"\xff\xe1" + (len(inner) + 2).to_bytes(2, "big") + inner + jpeg[2:]


class Slow(io.RawIOBase):
    """A pipe that gives few bytes at a time."""

    def __init__(self, data: bytes, step: int) -> None:
        self._file, self._step = io.BytesIO(data), step

    def read(self, size: int = -1) -> bytes:
        return self._file.read(self._step)


PICTURES = (encoded(".jpg"), encoded(".png"), with_thumbnail(encoded(".jpg", 3)), encoded(".png", 4))


@pytest.mark.parametrize("step", [1, 7, 1000, 1 << 20])
def test_a_stream_falls_into_its_pictures(step: int) -> None:
    parts = list(split_images(Slow(b"".join(PICTURES), step)))  # type: ignore[arg-type]
    assert [data for data, _ in parts] == list(PICTURES)
    assert all(is_whole for _, is_whole in parts)


def test_progressive_pictures_have_several_scans() -> None:
    image = np.random.default_rng(0).integers(0, 255, (64, 64, 3)).astype(np.uint8)
    data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_PROGRESSIVE, 1, cv2.IMWRITE_JPEG_RST_INTERVAL, 2])[1].tobytes()
    assert [part for part, _ in split_images(io.BytesIO(data * 3))] == [data] * 3


@pytest.mark.parametrize("cut", [4, 100, -1])
def test_a_stream_with_faults(cut: int) -> None:
    stream = PictureStream(io.BytesIO(PICTURES[0] + b"rubbish" + PICTURES[1] + PICTURES[0][:cut]))
    items = list(stream.frames())
    assert [type(item) for item in items] == [Frame, Failure, Frame, Failure]
    assert [item.name for item in items if isinstance(item, Frame)] == ["stdin_000001.jpg", "stdin_000003.png"]
    (nothing,) = PictureStream(io.BytesIO(b"")).frames()  # whoever was to write them has failed
    assert isinstance(nothing, Failure)
    assert "nothing came on standard input" in nothing.message


def test_outputs_inside_the_source_are_not_read(tmp_path: Path) -> None:
    for place in ("a.png", "deep/b.png", "out/c.png"):
        (tmp_path / place).parent.mkdir(exist_ok=True)
        (tmp_path / place).touch()
    found = find_images(f"{tmp_path}/**/*.png", [tmp_path / "out"])
    assert [path.name for path in found] == ["a.png", "b.png"]
    assert [path.name for path in find_images(f"{tmp_path}/out/*.png", [tmp_path / "out"])] == ["c.png"]
    with pytest.raises(ImageError, match="no images in"):
        find_images(f"{tmp_path}/o*/*.png", [tmp_path / "out"])


def test_image_ids_and_names(tmp_path: Path) -> None:
    assert image_ids([Path("000042.jpg"), Path("7.png")]) == (42, 7)
    assert image_ids([Path("7.jpg"), Path("007.png")]) == (1, 2)
    assert image_ids([Path("7.jpg"), Path("x.png")]) == (1, 2)
    paths = [tmp_path / "a" / "x.jpg", tmp_path / "b" / "x.jpg"]
    for path in paths:
        path.parent.mkdir()
        path.write_bytes(PICTURES[0])
    frames = [item for item in PictureFiles(paths).frames() if isinstance(item, Frame)]
    assert [frame.name for frame in frames] == list(map(str, paths))


class Capture:
    """Gives `count` frames and says that there are `total`."""

    def __init__(self, count: int, total: float = -1, rate: float = 30.0) -> None:
        self.left = count
        self.properties = {cv2.CAP_PROP_FRAME_COUNT: total, cv2.CAP_PROP_FPS: rate}
        self.is_released = False

    def read(self) -> tuple[bool, np.ndarray | None]:
        self.left -= 1
        return (True, np.zeros((4, 4, 3), np.uint8)) if self.left >= 0 else (False, None)

    def get(self, property_id: int, /) -> float:
        return self.properties[property_id]

    def release(self) -> None:
        self.is_released = True


@pytest.mark.parametrize(
    ("capture", "source", "words"),
    [
        (Capture(10, 10), "a.mp4", ""),
        (Capture(10, 12), "a.mkv", ""),  # an estimate
        (Capture(10, -1), "a.mkv", ""),  # nobody knows
        (Capture(10, float("nan")), "a.mkv", ""),
        (Capture(10, 100), "a.mp4", "a.mp4 breaks off: stopped after frame 10 of 100"),
        (Capture(0, 100), "a.mp4", "codec that this OpenCV lacks"),
        (Capture(10), "0", "camera 0 gave no more pictures after 10"),
        (Capture(0), "0", "camera 0 was opened but gave no picture"),
        (Capture(3), "rtsp://me:secret@camera/1", "rtsp://camera/1 gave no more pictures after 3"),
    ],
)
def test_how_a_video_ends(capture: Capture, source: str, words: str) -> None:
    count = capture.left
    items = list(VideoSource(capture, source).frames())
    frames = [item for item in items if isinstance(item, Frame)]
    failures = [item.message for item in items if isinstance(item, Failure)]
    assert len(frames) == count
    assert len(failures) == bool(words)
    assert words in "".join(failures)
    assert "secret" not in "".join(failures)


def test_what_a_source_says_of_itself() -> None:
    camera = VideoSource(Capture(1, 0, 0.0), "2")
    assert (camera.is_live, camera.total, camera.rate, camera.name) == (True, None, DEFAULT_RATE, "camera2.mp4")
    film = VideoSource(Capture(1, 50, 23.976), "deep/film.avi")
    assert (film.is_live, film.total, film.rate, film.name) == (False, 50, 23.976, "film.avi")
    stream = VideoSource(Capture(1, -1), "rtsp://u:p@host:554/live/one?x=1/2")
    assert (stream.is_live, stream.name) == (True, "one.mp4")
    assert VideoSource(Capture(1, -1), "rtsp://host").name == "stream.mp4"
    assert not VideoSource(Capture(1, 50), "http://host/film.mp4").is_live
    assert shown("rtsp://u:p@host/1") == "rtsp://host/1"


def test_what_cannot_be_opened(tmp_path: Path) -> None:
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "text.mp4").write_text("no video")
    for source, words in (
        (tmp_path / "empty.mp4", "the file is empty"),
        (tmp_path / "text.mp4", "codec"),
        ("99", "cannot open camera 99"),
    ):
        with pytest.raises(ImageError, match=words):
            open_video(str(source))


def test_an_address_that_never_answers_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(video_source, "TIMEOUT_MS", 1000)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        start = time.monotonic()
        with pytest.raises(ImageError, match="no answer within 1 s"):
            open_video(f"rtsp://127.0.0.1:{silent.getsockname()[1]}/x")
        assert time.monotonic() - start < 20  # OpenCV's own limit is 30 s
