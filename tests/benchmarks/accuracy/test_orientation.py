"""EXIF orientation against annotations: the whole data set decides."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from yolact_deploy.benchmarks.accuracy.dataset import Dataset, load_dataset
from yolact_deploy.benchmarks.accuracy.orientation import has_orientation
from yolact_deploy.errors import DataError

HEIGHT, WIDTH = 40, 64  # px, as stored


def exif(orientation: int, order: str = "little") -> bytes:
    """A TIFF with one directory and one tag."""
    header = (b"II*\0" if order == "little" else b"MM\0*") + (8).to_bytes(4, order) + (1).to_bytes(2, order)
    value = orientation.to_bytes(2, order) + b"\0\0"
    return header + (0x0112).to_bytes(2, order) + (3).to_bytes(2, order) + (1).to_bytes(4, order) + value + b"\0" * 4


def jpeg(orientation: int | None, height: int = HEIGHT, width: int = WIDTH, order: str = "little") -> bytes:
    """A picture that is dark above and bright below, as stored."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[height // 2 :] = 200
    data = cv2.imencode(".jpg", pixels)[1].tobytes()
    if orientation is None:
        return data
    body = b"Exif\0\0" + exif(orientation, order)
    return data[:2] + b"\xff\xe1" + (len(body) + 2).to_bytes(2, "big") + body + data[2:]


def make(folder: Path, *pictures: tuple[int | None, tuple[int, int], tuple[int, int]]) -> Path:
    """Pictures of an orientation, a stored size and an annotated size, each height and width."""
    images = []
    for number, (orientation, stored, annotated) in enumerate(pictures, start=1):
        (folder / f"{number}.jpg").write_bytes(jpeg(orientation, *stored))
        entry = {"id": number, "file_name": f"{number}.jpg", "height": annotated[0], "width": annotated[1]}
        images.append(entry)
    content: dict[str, Any] = {"images": images, "categories": [{"id": 1, "name": "cat"}], "annotations": []}
    (folder / "instances.json").write_text(json.dumps(content))
    return folder


STORED, SHOWN, SQUARE = (HEIGHT, WIDTH), (WIDTH, HEIGHT), (HEIGHT, HEIGHT)
QUARTER_TURNED = {"as stored": (6, STORED, STORED), "as shown": (6, STORED, SHOWN)}


def turns(dataset: Dataset, place: int) -> bool:
    """Whether a picture is read as shown: then, after a half turn, its upper part is the bright one."""
    return bool(dataset.images[place].read()[0].mean() > 100)


@pytest.mark.parametrize("place", ["as stored", "as shown"])
@pytest.mark.parametrize("limit", [None, 2])
def test_pictures_whose_size_tells_decide_for_all(tmp_path: Path, place: str, limit: int | None) -> None:
    """The half-turned and the square picture look the same size both ways. With a limit, only they are measured."""
    folder = make(tmp_path, (3, STORED, STORED), (3, SQUARE, SQUARE), QUARTER_TURNED[place], (None, STORED, STORED))
    dataset = load_dataset(folder, limit=limit)
    assert [turns(dataset, index) for index in (0, 1)] == [place == "as shown"] * 2
    (note,) = dataset.notes
    assert ("applied" if place == "as shown" else "ignored") in note
    assert ("1 pictures as shown, 0 as stored" if place == "as shown" else "0 pictures as shown, 1 as stored") in note
    for image in dataset.images:
        image.read()


@pytest.mark.parametrize(("choice", "turned"), [("apply", True), ("ignore", False)])
def test_the_option_overrides_the_evidence(tmp_path: Path, choice: str, turned: bool) -> None:
    contrary = QUARTER_TURNED["as stored" if turned else "as shown"]
    dataset = load_dataset(make(tmp_path, (3, STORED, STORED), contrary), exif=choice)
    assert turns(dataset, 0) == turned
    assert dataset.notes == (f"EXIF orientation {'applied' if turned else 'ignored'}: --exif {choice}",)
    with pytest.raises(DataError, match=f"pass --exif {'ignore' if turned else 'apply'}"):
        dataset.images[1].read()


def test_without_evidence_it_is_applied_and_said(tmp_path: Path) -> None:
    dataset = load_dataset(make(tmp_path, (3, STORED, STORED), (None, STORED, STORED)))
    assert turns(dataset, 0)
    (note,) = dataset.notes
    assert "--exif ignore" in note


def test_the_majority_decides_and_the_others_are_refused(tmp_path: Path) -> None:
    stored, shown = QUARTER_TURNED.values()
    dataset = load_dataset(make(tmp_path, stored, stored, shown))
    assert "ignored" in dataset.notes[0]
    dataset.images[0].read()
    with pytest.raises(DataError, match="pass --exif apply"):
        dataset.images[2].read()


def test_upright_pictures_need_no_word(tmp_path: Path) -> None:
    assert load_dataset(make(tmp_path, (None, STORED, STORED), (1, STORED, STORED))).notes == ()


@pytest.mark.parametrize("order", ["little", "big"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_tag_is_read_as_opencv_reads_it(tmp_path: Path, orientation: int, order: str) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(jpeg(orientation, order=order))
    shown, stored = cv2.imread(str(path)), cv2.imread(str(path), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    # Mirrored left to right, this picture stays the same.
    assert has_orientation(path) == (
        orientation == 2 or shown.shape != stored.shape or not np.array_equal(shown, stored)
    )


@pytest.mark.parametrize("data", [b"", b"Exif\0\0II*\0", b"Exif\0\0II*\0\xff\xff\xff\xff", b"II*\0\x08\0\0\0\xff\xff"])
def test_damaged_tags_say_nothing(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.jpg").write_bytes(data)
    assert not has_orientation(tmp_path / "a.jpg")
    assert not has_orientation(tmp_path / "none.jpg")
