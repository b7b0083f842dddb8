"""Where pictures come from: files, streams of files and cameras, with their faults."""

from __future__ import annotations

import io
from pathlib import Path

import cv2
import numpy as np
import pytest

from yolact_deploy.errors import ConfigError, DataError, ImageError
from yolact_deploy.inference import camera, sources
from yolact_deploy.inference.frames import Failure, Frame
from yolact_deploy.inference.image_ids import check_distinct, image_id
from yolact_deploy.inference.image_stream import split_images
from yolact_deploy.inference.options import InferOptions
from yolact_deploy.inference.picture_sources import PictureFiles, PictureStream, find_pictures
from yolact_deploy.inference.sources import open_source
from yolact_deploy.inference.video_form import DEFAULT_RATE


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
    stream = PictureStream(io.BytesIO(PICTURES[0] + b"rubbish" + PICTURES[1] + PICTURES[0][:cut]), print)
    items = list(stream.frames())
    assert [type(item) for item in items] == [Frame, Failure, Frame, Failure]
    assert [item.name for item in items if isinstance(item, Frame)] == ["stdin_000001.jpg", "stdin_000003.png"]
    (nothing,) = PictureStream(io.BytesIO(b""), print).frames()  # whoever was to write them has failed
    assert isinstance(nothing, Failure)
    assert "nothing came on standard input" in nothing.message


def test_outputs_inside_the_source_are_not_read(tmp_path: Path) -> None:
    for place in ("a.png", "deep/b.png", "out/c.png"):
        (tmp_path / place).parent.mkdir(exist_ok=True)
        (tmp_path / place).touch()
    found = find_pictures(f"{tmp_path}/**/*.png", [tmp_path / "out"])
    assert found.names == ("a.png", "deep/b.png")
    assert find_pictures(f"{tmp_path}/out/*.png", [tmp_path / "out"]).names == ("c.png",)
    with pytest.raises(ImageError, match="no images in"):
        find_pictures(f"{tmp_path}/o*/*.png", [tmp_path / "out"])


def test_a_folder_is_read_by_content_and_the_rest_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(PICTURES[1])
    (tmp_path / "b.jfif").write_bytes(PICTURES[0])
    (tmp_path / "c").write_bytes(PICTURES[0])
    (tmp_path / "d.JPE").write_bytes(PICTURES[0])
    (tmp_path / "damaged.jpg").write_bytes(b"no picture")  # its suffix promises one: a failure, not passed over
    (tmp_path / "film.mp4").write_bytes(b"\0\0\0\x18ftypmp42")
    (tmp_path / "notes.txt").write_text("no picture")
    (tmp_path / "gone.jpg").symlink_to(tmp_path / "nothing")
    (tmp_path / "sub").mkdir()
    notes: list[str] = []
    opened = open_source(InferOptions(str(tmp_path), json=tmp_path / "r.json"), notes.append)
    assert opened.picture_names == ("a.png", "b.jfif", "c", "d.JPE", "damaged.jpg")
    (note,) = notes
    for name in ("film.mp4", "notes.txt", "gone.jpg (broken link)", "sub/"):
        assert name in note
    kinds = [type(item) for item in opened.source.frames()]
    assert kinds == [Frame, Frame, Frame, Frame, Failure]


def test_a_single_picture_is_known_by_its_content(tmp_path: Path) -> None:
    (tmp_path / "photo").write_bytes(PICTURES[0])
    opened = open_source(InferOptions(str(tmp_path / "photo"), json=tmp_path / "r.json"))
    assert opened.picture_names == ("photo",)


def test_image_ids_depend_on_the_name_alone() -> None:
    assert (image_id("000042.jpg"), image_id("deep/7.png")) == (42, 7)
    assert image_id("x.png") == image_id("x.png") >= 1 << 52
    assert len({image_id(f"x{number}.png") for number in range(1000)}) == 1000
    assert max(image_id(f"x{number}.png") for number in range(1000)) < 1 << 53  # exact in every JSON reader
    check_distinct(["7.jpg", "8.jpg", "a/x.jpg", "b/x.jpg"])
    with pytest.raises(DataError, match=r"7\.jpg and 007\.png"):
        check_distinct(["7.jpg", "007.png"])


def test_pictures_of_several_folders_are_told_apart(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "x.jpg").write_bytes(PICTURES[0])
    found = find_pictures(f"{tmp_path}/*/x.jpg")
    frames = [item for item in PictureFiles(found, print).frames() if isinstance(item, Frame)]
    assert [frame.name for frame in frames] == ["a/x.jpg", "b/x.jpg"]


def test_dark_pictures_are_said_once(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        cv2.imwrite(str(tmp_path / name), np.full((8, 8, 3), 4000, np.uint16))
    notes: list[str] = []
    assert len(list(PictureFiles(find_pictures(tmp_path), notes.append).frames())) == 2
    (note,) = notes
    assert "12 bits" in note
    assert "1 more" in note


class Capture:
    """Gives `count` frames."""

    def __init__(self, count: int, rate: float = 30.0, is_open: bool = True) -> None:
        self.left, self.rate, self.is_open = count, rate, is_open

    def isOpened(self) -> bool:  # noqa: N802 as in OpenCV
        return self.is_open

    def read(self) -> tuple[bool, np.ndarray | None]:
        self.left -= 1
        return (True, np.zeros((4, 4, 3), np.uint8)) if self.left >= 0 else (False, None)

    def get(self, property_id: int, /) -> float:
        return self.rate if property_id == cv2.CAP_PROP_FPS else -1.0

    def release(self) -> None:
        self.is_open = False


@pytest.mark.parametrize(("count", "words"), [(10, "gave no more pictures after 10"), (0, "gave no picture")])
def test_how_a_camera_ends(monkeypatch: pytest.MonkeyPatch, count: int, words: str) -> None:
    monkeypatch.setattr(camera, "_capture", lambda number: Capture(count))
    source = camera.open_camera("/dev/video2")
    *frames, failure = source.frames()
    assert (source.is_live, source.total, source.name, len(frames)) == (True, None, "camera2", count)
    assert isinstance(failure, Failure)
    assert words in failure.message


def test_what_a_camera_says_of_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    for rate, expected in ((30.0, 30), (0.0, DEFAULT_RATE), (float("nan"), DEFAULT_RATE), (1e9, DEFAULT_RATE)):
        monkeypatch.setattr(camera, "_capture", lambda number, rate=rate: Capture(1, rate))
        assert camera.open_camera("0").form.rate == expected


@pytest.mark.parametrize("number", ["99", "100", "4294967296", "9" * 30])
def test_cameras_that_are_not_there(number: str, tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"camera.*/dev/video"):
        open_source(InferOptions(number, json=tmp_path / "a.json"))


def test_standard_input_that_is_closed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sources.sys, "stdin", None)
    with pytest.raises(ImageError, match="standard input is closed"):
        open_source(InferOptions("-", json=tmp_path / "a.json"))


def test_live_is_for_addresses(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--live"):
        open_source(InferOptions(str(tmp_path), json=tmp_path / "a.json", is_live=True))
