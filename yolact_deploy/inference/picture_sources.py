"""Pictures as a source: files, and files in a stream."""

from __future__ import annotations

import glob
import re
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import BinaryIO

from ..errors import ImageError
from ..images import IMAGE_SUFFIXES, decode_image, read_image
from ..types import Image
from .frames import Failure, Frame
from .image_stream import PNG_START, split_images

_COCO_STEM = re.compile(r"\d{1,15}")
STREAM_STEM = "stdin"


def find_images(source: str | Path, outputs: Sequence[Path] = ()) -> tuple[Path, ...]:
    """The pictures that `source` names: a file, a folder (not its subfolders), or a glob such as "in/**/*.jpg".

    What lies in a folder of `outputs` that is inside the source is not read. Raises ImageError when there is none.
    """
    path = Path(source)
    if path.is_file():
        return (path,)
    is_folder = path.is_dir()
    candidates = path.iterdir() if is_folder else map(Path, glob.glob(str(source), recursive=True))
    images = sorted(item for item in candidates if item.is_file() and item.suffix.lower() in IMAGE_SUFFIXES)
    root = (path if is_folder else _glob_root(path)).resolve()
    inner = [folder.resolve() for folder in outputs if root in folder.resolve().parents]
    images = [image for image in images if not any(folder in image.resolve().parents for folder in inner)]
    if images:
        return tuple(images)
    if is_folder or glob.has_magic(str(source)):
        raise ImageError(f"no images in {source}: looked for {', '.join(IMAGE_SUFFIXES)}")
    raise ImageError(f"no such file or folder: {source}")


def _glob_root(pattern: Path) -> Path:
    """The folder that all matches lie in."""
    fixed = Path(pattern.anchor)
    for part in pattern.relative_to(pattern.anchor).parts:
        if glob.has_magic(part):
            break
        fixed /= part
    return fixed


def image_ids(images: Sequence[Path]) -> tuple[int, ...]:
    """Ids for JSON files: the number that is the file's name, as in COCO, where all have their own; else 1, 2, 3."""
    if all(_COCO_STEM.fullmatch(image.stem) for image in images):
        numbers = tuple(int(image.stem) for image in images)
        if len(set(numbers)) == len(numbers):
            return numbers
    return tuple(range(1, len(images) + 1))


def _frame_or_failure(read: Callable[[], Image], index: int, image_id: int, name: str) -> Frame | Failure:
    try:
        return Frame(index, image_id, name, read())
    except ImageError as error:
        return Failure(str(error))


class PictureFiles:
    """Image files, in order."""

    is_live = False

    def __init__(self, images: Sequence[Path]) -> None:
        self._images = tuple(images)
        self._ids = image_ids(images)
        names = [image.name for image in images]
        # Same names in several folders: then the folders tell them apart.
        self._names = names if len(set(names)) == len(names) else [str(image) for image in images]
        self.total: int | None = len(images)

    def frames(self) -> Iterator[Frame | Failure]:
        """Every picture, decoded."""
        for index, (path, image_id, name) in enumerate(zip(self._images, self._ids, self._names, strict=True)):
            yield _frame_or_failure(partial(read_image, path), index, image_id, name)

    def close(self) -> None:
        """Nothing is held."""


class PictureStream:
    """JPEG and PNG files one after the other in a stream, named stdin_000001.jpg and so on."""

    is_live = False
    total: int | None = None

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def frames(self) -> Iterator[Frame | Failure]:
        """Every picture, decoded; a failure when none came."""
        index = -1
        for index, (data, is_whole) in enumerate(split_images(self._file)):
            place = f"picture {index + 1} of standard input"
            if not is_whole:
                yield Failure(f"{place}: not a whole JPEG or PNG file ({len(data)} bytes)")
                continue
            suffix = ".png" if data.startswith(PNG_START) else ".jpg"
            name = f"{STREAM_STEM}_{index + 1:06d}{suffix}"
            yield _frame_or_failure(partial(decode_image, data, place), index, index + 1, name)
        if index < 0:
            yield Failure("nothing came on standard input: JPEG and PNG files are expected, one after the other")

    def close(self) -> None:
        """Standard input is not ours to close."""
