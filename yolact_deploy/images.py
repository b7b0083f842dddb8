"""Pictures in: from a file or an array to uint8 [H,W,3] BGR, or an error that says what is wrong with it."""

from __future__ import annotations

import io
import os
import sys
import warnings
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any, BinaryIO

import cv2
import imagesize
import numpy as np

from .errors import ImageError
from .formats.image_frames import has_more_pictures
from .types import Image

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".pgm")

MAX_PIXELS = 70_000_000  # of an image: 210 MB decoded; large cameras have 61 million
MAX_UNSCALED_BITS = 14  # of 16-bit values: with fewer or as many in use, they were probably never scaled

_SAMPLE = "data/sample.jpg"  # inside the package


def sample_image() -> Image:
    """A bundled picture with several objects that the bundled models know, uint8 [384,300,3] BGR."""
    with resources.as_file(resources.files("yolact_deploy") / _SAMPLE) as path:
        return read_image(path)


def _warn(text: str) -> None:
    warnings.warn(text, stacklevel=4)


def read_image(
    path: str | Path,
    apply_orientation: bool = True,
    max_pixels: int = MAX_PIXELS,
    note: Callable[[str], object] = _warn,
) -> Image:
    """Decode an image file to uint8 [H,W,3] BGR.

    Grey becomes three equal channels, alpha is dropped, 16 bits are scaled to 8. `apply_orientation` turns the image
    as its EXIF tag says. note: takes one line about an image that is read but looks wrong; None given, a warning.
    Raises ImageError when the file is missing, empty, not an image or has more than `max_pixels`.
    """
    path = Path(path)
    try:
        data = path.read_bytes()  # cv2.imread cannot say why it failed
    except (OSError, ValueError) as error:  # ValueError: a path with a zero byte
        raise ImageError(f"cannot read image {path}: {getattr(error, 'strerror', None) or error}") from None
    return decode_image(data, path, apply_orientation, max_pixels, note)


def decode_image(
    data: bytes,
    source: object,
    apply_orientation: bool = True,
    max_pixels: int = MAX_PIXELS,
    note: Callable[[str], object] = _warn,
) -> Image:
    """Decode the bytes of an image file as `read_image` does; `source` names them in errors. Raises ImageError."""
    if len(data) == 0:
        raise ImageError(f"cannot read image {source}: the file is empty")
    _check_size(data, source, max_pixels)
    flags = cv2.IMREAD_COLOR if apply_orientation else cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    image = _decoded(data, source, flags | cv2.IMREAD_ANYDEPTH)
    if image.dtype == np.uint16:
        _tell_unused_bits(image, source, note)
        image = (image >> 8).astype(np.uint8)
    elif image.dtype != np.uint8:
        image = _decoded(data, source, flags)
    if has_more_pictures(data):
        note(f"{source} holds several pictures (frames or pages): the first one is taken")
    return checked_image(image)


def _check_size(data: bytes, source: object, max_pixels: int) -> None:
    """A file of some kilobytes can hold a picture of gigabytes, so its header is asked first."""
    width, height = pixel_size(io.BytesIO(data))
    if width <= 0 or height <= 0:
        raise ImageError(f"cannot read image {source}: not an image in a known format, or damaged")
    check_pixels(width, height, max_pixels, f"image {source}")


def check_pixels(width: int, height: int, max_pixels: int, shown: str) -> None:
    """Raises ImageError when there are more than `max_pixels`. shown: names the picture or video."""
    if width * height > max_pixels:
        raise ImageError(
            f"{shown} has {width}x{height} px, more than the limit of {max_pixels} pixels: scale it down, or "
            "raise the limit (--max-pixels of infer and compare, max_pixels of read_image in Python)"
        )


def pixel_size(file: BinaryIO) -> tuple[int, int]:
    """Width and height in px as the header of an image file says, (-1, -1) where it does not say."""
    start = file.read(256).lstrip(b"\xef\xbb\xbf \t\r\n")
    file.seek(0)
    if start.startswith(b"<"):  # SVG: no picture of pixels
        return -1, -1
    try:
        width, height = imagesize.get(file)
        return int(width), int(height)
    except Exception:  # damaged headers raise whatever the parser stumbled over
        return -1, -1


def is_image_file(path: Path) -> bool:
    """Whether the content of a file, whatever its name, is that of an image that can be read."""
    if not path.is_file() or not cv2.haveImageReader(str(path)):
        return False
    try:
        with path.open("rb") as file:
            return pixel_size(file) != (-1, -1)
    except OSError:
        return False


def _decoded(data: bytes, source: object, flags: int) -> Any:
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error as error:
        raise ImageError(f"cannot read image {source}: {' '.join(str(error).split())}") from None
    if image is None:
        raise ImageError(f"cannot read image {source}: not an image in a format that OpenCV knows, or damaged")
    return image


def _tell_unused_bits(image: Any, source: object, note: Callable[[str], object]) -> None:
    """Cameras of 10, 12 or 14 bits often write their values unscaled into 16: nearly black."""
    bits = int(image.max()).bit_length()
    if 8 < bits <= MAX_UNSCALED_BITS:
        note(
            f"{source}: its 16-bit values use only {bits} bits, so it is read {1 << (16 - bits)} times too dark: "
            "scale the values to 16 bits"
        )


def as_image(image: Any) -> Image:
    """`image` as contiguous uint8 [H,W,3] BGR: an array as `checked_image` takes it, the path of a picture, or a PIL
    image, which becomes what `read_image` makes of its file: EXIF orientation applied, grey repeated, alpha dropped.

    Raises ImageError for anything else.
    """
    if isinstance(image, str) and "://" in image:
        raise ImageError(f"{image} is an address: download the picture first, or pass it to `yolact-deploy infer`")
    if isinstance(image, (str, os.PathLike)):
        return read_image(Path(image))
    pil = sys.modules.get("PIL.Image")  # who has a PIL image has imported it
    if pil is not None and isinstance(image, pil.Image):
        return _from_pil(image)
    return checked_image(image)


def several_images(images: Any) -> list[Any]:
    """The items of a list of images or of an array [N,H,W,3]. Raises ImageError for one image."""
    is_one = isinstance(images, (str, bytes, os.PathLike)) or (isinstance(images, np.ndarray) and images.ndim != 4)
    if not is_one:
        try:
            return list(images)
        except TypeError:
            pass
    raise ImageError("a batch is a list of images, or an array [N,H,W,3]: put a single image into a list")


def _from_pil(image: Any) -> Image:
    """See `as_image`."""
    from PIL import ImageOps

    name = f"PIL image {getattr(image, 'filename', '')}".rstrip()
    check_pixels(image.width, image.height, MAX_PIXELS, name)
    try:
        image = ImageOps.exif_transpose(image)
        if image.mode.startswith("I"):
            return checked_image(_upper_byte(np.asarray(image), name))
        if image.mode == "F":
            raise ImageError(f"{name} has mode F: scale it to 0..255 and convert it to L or RGB")
        # By RGBA, which keeps the colours of transparent pixels and does not warn of them.
        has_alpha = image.mode in ("P", "PA", "LA", "RGBA")
        pixels = np.asarray(image.convert("RGBA" if has_alpha else "RGB"))
    except (OSError, SyntaxError, ValueError) as error:  # cut off, closed, or a mode that has no RGB
        raise ImageError(f"cannot read {name}: {error}") from None
    return checked_image(pixels[:, :, 2::-1])


def _upper_byte(values: Any, name: str) -> Any:
    """16-bit grey values in 8 bits. Raises ImageError for values beyond 16 bits."""
    if values.size and not 0 <= values.min() <= values.max() < 1 << 16:
        raise ImageError(f"{name} has values from {values.min()} to {values.max()}: scale it to 0..255, mode L")
    if values.size:
        _tell_unused_bits(values, name, _warn)
    return (values >> 8).astype(np.uint8)


def checked_image(image: Any) -> Image:
    """`image` as contiguous uint8 [H,W,3] BGR.

    Grey [H,W] or [H,W,1] is repeated, alpha [H,W,4] is dropped. Raises ImageError for any other shape, an image
    without pixels, or another type than uint8: its value range is not known here.
    """
    if image is None:
        raise ImageError("the image is None, as cv2.imread gives it for a file that it cannot read: check the path")
    if not isinstance(image, np.ndarray):
        advice = "; for several images use batch" if isinstance(image, (list, tuple)) else ""
        kind = type(image).__name__
        raise ImageError(f"an image is an array uint8 [H,W,3] in BGR order, a path or a PIL image, not {kind}{advice}")
    if image.dtype != np.uint8:
        advice = "divide by 257 and convert to uint8" if image.dtype == np.uint16 else "scale to 0..255 and convert"
        raise ImageError(f"image of type {image.dtype}: only uint8 is accepted; {advice}")
    if image.ndim == 2:
        image = image[:, :, None]
    if image.ndim != 3 or image.shape[2] not in (1, 3, 4) or 0 in image.shape:
        raise ImageError(f"image of shape {list(image.shape)}: expected {_expected(image)}")
    if image.shape[2] == 1:
        image = np.repeat(image, 3, axis=2)
    return np.ascontiguousarray(image[:, :, :3])


def _expected(image: Any) -> str:
    """What an array of a wrong shape should be."""
    if image.ndim == 3 and image.shape[0] in (1, 3, 4) and 0 not in image.shape:
        return "channels last, [H,W,3]: use image.transpose(1, 2, 0)"
    if image.ndim == 4:
        return "one image, [H,W,3]: use batch for several"
    return "[H,W,3] BGR (or grey, or BGRA) with pixels"
