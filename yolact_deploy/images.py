"""Pictures in: from a file or an array to uint8 [H,W,3] BGR, or an error that says what is wrong with it."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from .errors import ImageError
from .types import Image

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".pgm")

_SAMPLE = "data/sample.jpg"  # inside the package


def sample_image() -> Image:
    """A bundled picture with several objects that the bundled models know, uint8 [384,300,3] BGR."""
    with resources.as_file(resources.files("yolact_deploy") / _SAMPLE) as path:
        return read_image(path)


def read_image(path: str | Path, apply_orientation: bool = True) -> Image:
    """Decode an image file to uint8 [H,W,3] BGR.

    Grey becomes three equal channels, alpha is dropped, 16 bits are scaled to 8. `apply_orientation` turns the image
    as its EXIF tag says. Raises ImageError when the file is missing, empty or not an image.
    """
    path = Path(path)
    try:
        data = np.fromfile(path, np.uint8)  # cv2.imread cannot say why it failed
    except OSError as error:
        raise ImageError(f"cannot read image {path}: {error.strerror or error}") from None
    return decode_image(data.data, path, apply_orientation)


def decode_image(data: bytes | memoryview, source: object, apply_orientation: bool = True) -> Image:
    """Decode the bytes of an image file as `read_image` does; `source` names them in errors. Raises ImageError."""
    if len(data) == 0:
        raise ImageError(f"cannot read image {source}: the file is empty")
    flags = cv2.IMREAD_COLOR if apply_orientation else cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error as error:
        raise ImageError(f"cannot read image {source}: {' '.join(str(error).split())}") from None
    if image is None:
        raise ImageError(f"cannot read image {source}: not an image in a format that OpenCV knows, or damaged")
    return checked_image(image)


def checked_image(image: Any) -> Image:
    """`image` as contiguous uint8 [H,W,3] BGR.

    Grey [H,W] or [H,W,1] is repeated, alpha [H,W,4] is dropped. Raises ImageError for any other shape, an image
    without pixels, or another type than uint8: its value range is not known here.
    """
    if not isinstance(image, np.ndarray):
        raise ImageError(f"an image is a numpy array uint8 [H,W,3] in BGR order, not {type(image).__name__}")
    if image.dtype != np.uint8:
        advice = "divide by 257 and convert to uint8" if image.dtype == np.uint16 else "scale to 0..255 and convert"
        raise ImageError(f"image of type {image.dtype}: only uint8 is accepted; {advice}")
    if image.ndim == 2:
        image = image[:, :, None]
    if image.ndim != 3 or image.shape[2] not in (1, 3, 4) or 0 in image.shape:
        raise ImageError(f"image of shape {list(image.shape)}: expected [H,W,3] BGR (or grey, or BGRA) with pixels")
    if image.shape[2] == 1:
        image = np.repeat(image, 3, axis=2)
    return np.ascontiguousarray(image[:, :, :3])
