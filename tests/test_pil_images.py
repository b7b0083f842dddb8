"""A PIL image becomes what its file is read as."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from yolact_deploy import images
from yolact_deploy.errors import ImageError
from yolact_deploy.images import as_image, read_image, several_images

pil = pytest.importorskip("PIL.Image")


@pytest.fixture
def pixels() -> np.ndarray:
    """RGB with four corners of their own colours, 12x20 px."""
    rng = np.random.default_rng(3)
    made = rng.integers(0, 256, (12, 20, 3), np.uint8)
    made[:6, :10] = (200, 30, 10)
    return made


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "LA", "P", "1", "I;16"])
def test_modes(tmp_path: Path, pixels: np.ndarray, mode: str) -> None:
    if mode == "I;16":
        image = pil.fromarray(pixels[:, :, 0].astype(np.uint16) * 257 + 3)
        assert image.mode == "I;16"
    else:
        image = pil.fromarray(pixels).convert(mode)
    if mode in ("RGBA", "LA"):
        image.putalpha(pil.fromarray(pixels[:, :, 1]))
    path = tmp_path / "a.png"
    image.save(path)
    expected = read_image(path)
    np.testing.assert_array_equal(as_image(pil.open(path)), expected)
    np.testing.assert_array_equal(as_image(image), expected)


@pytest.mark.parametrize("transparent", [3, bytes(range(256))])
def test_palettes_with_transparency(
    tmp_path: Path, pixels: np.ndarray, transparent: int | bytes, recwarn: pytest.WarningsRecorder
) -> None:
    path = tmp_path / "a.png"
    pil.fromarray(pixels).quantize(200).save(path, transparency=transparent)
    np.testing.assert_array_equal(as_image(pil.open(path)), read_image(path))
    assert len(recwarn) == 0


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_exif_orientation(tmp_path: Path, pixels: np.ndarray, orientation: int, suffix: str) -> None:
    exif = pil.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f"a{suffix}"
    pil.fromarray(pixels).resize((64, 48)).save(path, exif=exif, quality=95)
    np.testing.assert_array_equal(as_image(pil.open(path)), read_image(path))


def test_rgb_becomes_bgr() -> None:
    made = as_image(pil.new("RGB", (3, 2), (255, 0, 7)))
    assert (made.shape, made[0, 0].tolist(), made.flags.c_contiguous) == ((2, 3, 3), [7, 0, 255], True)


def test_pil_images_that_cannot_be_read(tmp_path: Path, pixels: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.png"
    pil.fromarray(np.random.default_rng(0).integers(0, 256, (90, 90, 3), np.uint8)).save(path)
    closed = pil.open(path)
    closed.close()
    path.write_bytes(path.read_bytes()[:9000])
    for image, words in (
        (pil.open(path), "truncated"),
        (closed, "cannot read PIL image"),
        (pil.fromarray(pixels[:, :, 0].astype(np.float32)), "mode F"),
        (pil.fromarray(pixels[:, :, 0].astype(np.int32) * 1000), "values from"),
        (pil.new("RGB", (0, 4)), "pixels"),
    ):
        with pytest.raises(ImageError, match=words):
            as_image(image)
    monkeypatch.setattr(images, "MAX_PIXELS", 100)
    with pytest.raises(ImageError, match="more than the limit"):
        as_image(pil.fromarray(pixels))


def test_one_image_is_no_batch(pixels: np.ndarray) -> None:
    assert several_images([]) == []
    assert len(several_images(np.stack([pixels] * 4))) == 4
    assert len(several_images(pixels for _ in range(3))) == 3
    for one in (pixels, pixels[:, :, 0], "photo.jpg", Path("photo.jpg"), None, b"", pil.fromarray(pixels)):
        with pytest.raises(ImageError, match="put a single image into a list"):
            several_images(one)


def test_what_newcomers_pass() -> None:
    for image, words in (
        (None, "cv2.imread"),
        ([np.zeros((4, 4, 3), np.uint8)], "use batch"),
        (np.zeros((3, 40, 50), np.uint8), r"transpose\(1, 2, 0\)"),
        (np.zeros((1, 40, 50, 3), np.uint8), "use batch"),
        ("https://example.org/a.jpg", "is an address"),
        ("a\0b.jpg", "null byte"),
        (b"data", "not bytes"),
    ):
        with pytest.raises(ImageError, match=words):
            as_image(image)
