"""Animations and pages are told from single pictures, as other readers count them."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from yolact_deploy.formats.image_frames import has_more_pictures
from yolact_deploy.images import decode_image, read_image

IMAGES = [np.random.default_rng(seed).integers(0, 255, (20, 30, 3)).astype(np.uint8) for seed in range(3)]
KINDS = (".gif", ".png", ".webp", ".tiff", ".jpg", ".bmp", ".avif")


def animated(path: Path) -> Path:
    animation = cv2.Animation()
    animation.frames = [cv2.cvtColor(image, cv2.COLOR_BGR2BGRA) for image in IMAGES]
    animation.durations = [100] * len(IMAGES)
    assert cv2.imwriteanimation(str(path), animation)
    return path


def pages(path: Path) -> Path:
    assert cv2.imwritemulti(str(path), IMAGES)
    return path


@pytest.mark.parametrize("suffix", KINDS)
def test_one_picture(suffix: str) -> None:
    try:
        data = cv2.imencode(suffix, IMAGES[0])[1].tobytes()
    except cv2.error:
        pytest.skip(f"this OpenCV writes no {suffix}")
    notes: list[str] = []
    decode_image(data, "a", note=notes.append)
    assert not has_more_pictures(data)
    assert notes == []


@pytest.mark.parametrize("suffix", [".gif", ".png", ".webp", ".tiff", ".avif"])
def test_several_pictures_are_said_and_the_first_is_taken(tmp_path: Path, suffix: str) -> None:
    if suffix != ".tiff" and not hasattr(cv2, "imwriteanimation"):
        pytest.skip("this OpenCV writes no animations")
    path = tmp_path / f"a{suffix}"
    try:
        pages(path) if suffix == ".tiff" else animated(path)
    except cv2.error:
        pytest.skip(f"this OpenCV writes no animated {suffix}")
    if cv2.imcount(str(path)) < 3:
        pytest.skip(f"this OpenCV writes no animated {suffix}")
    notes: list[str] = []
    image = read_image(path, note=notes.append)
    assert len(notes) == 1
    assert "several pictures" in notes[0]
    np.testing.assert_allclose(image, IMAGES[0], atol=255 if suffix in (".gif", ".webp", ".avif") else 0)


@pytest.mark.parametrize("order", ["little", "big"])
@pytest.mark.parametrize("following", [0, 99])
@pytest.mark.parametrize("is_big", [False, True])
def test_tiff_of_both_byte_orders_and_sizes(order: str, following: int, is_big: bool) -> None:
    def number(value: int, size: int) -> bytes:
        return value.to_bytes(size, order)  # type: ignore[arg-type]

    mark = b"II" if order == "little" else b"MM"
    if is_big:
        head = mark + number(43, 2) + number(8, 2) + number(0, 2) + number(16, 8)
        data = head + number(2, 8) + bytes(40) + number(following, 8)
    else:
        data = mark + number(42, 2) + number(8, 4) + number(2, 2) + bytes(24) + number(following, 4)
    assert has_more_pictures(data) == (following > 0)
    assert not has_more_pictures(data[:-1])


@pytest.mark.parametrize("seed", range(200))
def test_damaged_headers_are_no_error(seed: int) -> None:
    rng = np.random.default_rng(seed)
    starts = (b"GIF89a", b"\x89PNG\r\n\x1a\n", b"RIFF\0\0\0\0WEBPVP8X", b"II*\0", b"MM\0+", b"\0\0\0\x20ftypavif", b"")
    has_more_pictures(starts[seed % len(starts)] + rng.bytes(int(rng.integers(0, 60))))
