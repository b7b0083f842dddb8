"""Every kind of picture becomes uint8 [H,W,3] BGR, or an error that says why not."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from yolact_deploy.errors import ImageError
from yolact_deploy.images import checked_image, is_image_file, read_image

RNG = np.random.default_rng(0)
COLOUR = RNG.integers(0, 256, (5, 7, 3), np.uint8)


def written(path: Path, image: np.ndarray) -> Path:
    assert cv2.imwrite(str(path), image)
    return path


def test_colour_is_read_as_it_is(tmp_path: Path) -> None:
    np.testing.assert_array_equal(read_image(written(tmp_path / "a.png", COLOUR)), COLOUR)


def test_grey_becomes_three_equal_channels(tmp_path: Path) -> None:
    grey = COLOUR[:, :, 0]
    np.testing.assert_array_equal(read_image(written(tmp_path / "a.png", grey)), np.dstack([grey] * 3))


def test_alpha_is_dropped(tmp_path: Path) -> None:
    image = read_image(written(tmp_path / "a.png", np.dstack([COLOUR, np.full((5, 7), 9, np.uint8)])))
    np.testing.assert_array_equal(image, COLOUR)


def test_16_bits_are_scaled_to_8(tmp_path: Path) -> None:
    image = read_image(written(tmp_path / "a.png", COLOUR.astype(np.uint16) * 257))
    assert image.dtype == np.uint8
    np.testing.assert_allclose(image.astype(int), COLOUR.astype(int), atol=1)


def test_one_pixel(tmp_path: Path) -> None:
    assert read_image(written(tmp_path / "a.png", COLOUR[:1, :1])).tolist() == COLOUR[:1, :1].tolist()


def test_a_name_that_is_not_ascii(tmp_path: Path) -> None:
    path = tmp_path / "größe 図.png"
    written(tmp_path / "a.png", COLOUR).rename(path)
    np.testing.assert_array_equal(read_image(path), COLOUR)


def exif_orientation(jpeg: bytes, orientation: int) -> bytes:
    """`jpeg` with an EXIF block that holds nothing but the orientation."""
    ifd = b"\x01\x00" + b"\x12\x01\x03\x00\x01\x00\x00\x00" + bytes([orientation, 0, 0, 0]) + bytes(4)
    payload = b"Exif\0\0II*\0\x08\0\0\0" + ifd
    return jpeg[:2] + b"\xff\xe1" + (len(payload) + 2).to_bytes(2, "big") + payload + jpeg[2:]


def test_exif_orientation_is_applied_unless_declined(tmp_path: Path) -> None:
    _, jpeg = cv2.imencode(".jpg", COLOUR)
    path = tmp_path / "a.jpg"
    path.write_bytes(exif_orientation(jpeg.tobytes(), 6))  # taken with the camera on its side
    assert read_image(path).shape == (7, 5, 3)
    assert read_image(path, apply_orientation=False).shape == (5, 7, 3)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "No such file"),
        (b"", "empty"),
        (b"plain text", "not an image"),
        (b"\x89PNG\r\n\x1a\n", "not an image"),
        (b"<svg/>", "not an image"),
    ],
)
def test_what_is_no_image_says_so(tmp_path: Path, content: bytes | None, reason: str) -> None:
    path = tmp_path / "a.png"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ImageError, match=reason) as caught:
        read_image(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".bmp", ".tiff", ".gif", ".jp2", ".ppm"])
def test_a_picture_of_too_many_pixels_is_refused_before_it_is_decoded(
    tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(tmp_path / f"a{suffix}", np.zeros((300, 400, 3), np.uint8))
    assert read_image(path, max_pixels=120_000).shape == (300, 400, 3)
    monkeypatch.setattr(cv2, "imdecode", lambda *arguments: pytest.fail("decoded"))
    with pytest.raises(ImageError, match="400x300 px, more than the limit of 119999 pixels"):
        read_image(path, max_pixels=119_999)


def test_values_of_few_bits_in_16_are_said(tmp_path: Path) -> None:
    raw = RNG.integers(0, 1 << 12, (8, 9), np.uint16)
    with pytest.warns(UserWarning, match="12 bits, so it is read 16 times too dark"):
        image = read_image(written(tmp_path / "a.png", raw))
    np.testing.assert_array_equal(image[:, :, 0], raw >> 8)
    told: list[str] = []
    read_image(written(tmp_path / "b.tiff", raw), note=told.append)
    assert len(told) == 1
    read_image(written(tmp_path / "c.png", raw * 16), note=told.append)
    read_image(written(tmp_path / "d.png", np.zeros_like(raw)), note=told.append)
    assert len(told) == 1


def test_a_picture_is_known_by_its_content(tmp_path: Path) -> None:
    written(tmp_path / "a.jpg", COLOUR).rename(tmp_path / "a.txt")
    (tmp_path / "b.jpg").write_text("no picture")
    (tmp_path / "c.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg' width='5' height='5'/>")
    found = [name for name in ("a.txt", "b.jpg", "c.svg", "none.jpg", ".") if is_image_file(tmp_path / name)]
    assert found == ["a.txt"]


def test_a_truncated_png_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "a.png", RNG.integers(0, 256, (64, 64, 3), np.uint8))
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(ImageError, match="damaged"):
        read_image(path)


def test_a_folder_is_no_image(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="directory"):
        read_image(tmp_path)


def test_arrays_of_every_accepted_shape() -> None:
    grey = COLOUR[:, :, 1]
    repeated = np.dstack([grey] * 3)
    np.testing.assert_array_equal(checked_image(grey), repeated)
    np.testing.assert_array_equal(checked_image(grey[:, :, None]), repeated)
    np.testing.assert_array_equal(checked_image(np.dstack([COLOUR, grey])), COLOUR)
    assert checked_image(COLOUR[:, ::-1]).flags.c_contiguous


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, "cv2.imread"),
        ([[1, 2, 3]], "not list"),
        (COLOUR.astype(np.float32), "scale to 0..255"),
        (COLOUR.astype(np.uint16), "divide by 257"),
        (np.zeros((4, 4, 2), np.uint8), "shape"),
        (np.zeros((2, 4, 4, 3), np.uint8), "shape"),
        (np.zeros(12, np.uint8), "shape"),
        (np.zeros((0, 4, 3), np.uint8), "pixels"),
    ],
)
def test_arrays_that_are_refused(value: object, reason: str) -> None:
    with pytest.raises(ImageError, match=reason):
        checked_image(value)
