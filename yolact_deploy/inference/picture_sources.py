"""Pictures as a source: files, files in a stream, and one from an address."""

from __future__ import annotations

import glob
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ..errors import ImageError, listed
from ..images import IMAGE_SUFFIXES, MAX_PIXELS, decode_image, is_image_file, read_image
from ..types import Image
from .frames import ByteStream, Failure, Frame, Note
from .image_ids import image_id
from .image_stream import PNG_START, split_images

STREAM_STEM = "stdin"


@dataclass(frozen=True)
class FoundPictures:
    """The pictures that a source names."""

    paths: tuple[Path, ...]
    names: tuple[str, ...]  # of each: its path inside the source, which tells pictures of several folders apart
    root: Path  # that names are relative to
    passed_over: tuple[str, ...] = ()  # what else lies there, by name


def find_pictures(source: str | Path, outputs: Sequence[Path] = ()) -> FoundPictures:
    """The pictures that `source` names: a file, a folder (not its subfolders), or a glob such as "in/**/*.jpg".

    A picture is what has the suffix of one or, whatever its name, the content. `outputs`, and what lies in them, are
    not read where they are inside the source. Raises ImageError when there is none.
    """
    path = Path(source)
    if path.is_file():
        return FoundPictures((path,), (path.name,), path.parent)
    is_folder = path.is_dir()
    if not is_folder and not glob.has_magic(str(source)):
        if path.is_symlink():
            raise ImageError(f"{source} is a link to nothing")
        raise ImageError(f"no such file or folder: {source}")
    root = path if is_folder else _glob_root(path)
    candidates = path.iterdir() if is_folder else map(Path, glob.glob(str(source), recursive=True))
    inner = {output.resolve() for output in outputs if root.resolve() in output.resolve().parents}
    found = sorted(item for item in candidates if not inner or inner.isdisjoint(item.resolve().parents))
    images = [item for item in found if _is_picture(item)]
    others = sorted(set(found).difference(images)) if len(images) < len(found) else []
    passed_over = [
        f"{item.relative_to(root)}{_kind(item)}"
        for item in others
        if item.resolve() not in inner and (is_folder or not item.is_dir())  # ** matches folders, too
    ]
    if not images:
        what = f"; it holds {listed(passed_over)}" if passed_over else ""
        raise ImageError(f"no images in {source}: looked for {', '.join(IMAGE_SUFFIXES)} and for their content{what}")
    return FoundPictures(tuple(images), tuple(str(item.relative_to(root)) for item in images), root, tuple(passed_over))


def _is_picture(path: Path) -> bool:
    return path.is_file() and (path.suffix.lower() in IMAGE_SUFFIXES or is_image_file(path))


def _kind(path: Path) -> str:
    if path.is_dir():
        return "/"
    return " (broken link)" if path.is_symlink() and not path.exists() else ""


def _glob_root(pattern: Path) -> Path:
    """The folder that all matches lie in."""
    fixed = Path(pattern.anchor)
    for part in pattern.relative_to(pattern.anchor).parts:
        if glob.has_magic(part):
            break
        fixed /= part
    return fixed


def _frame_or_failure(read: Callable[[], Image], index: int, identity: int, name: str) -> Frame | Failure:
    try:
        return Frame(index, identity, name, read())
    except ImageError as error:
        return Failure(str(error))


def _tell(told: Sequence[str], note: Note) -> None:
    """What is wrong with many pictures, in one line."""
    if told:
        note(told[0] + (f" (and {len(told) - 1} more pictures)" if len(told) > 1 else ""))


class PictureFiles:
    """Image files, in order."""

    is_live = False

    def __init__(self, found: FoundPictures, note: Note, max_pixels: int = MAX_PIXELS, first: int = 0) -> None:
        """first: the index of the first picture, where these are part of more."""
        self._first = first
        self._found, self._note, self._max_pixels = found, note, max_pixels
        self.total: int | None = len(found.paths)

    def frames(self) -> Iterator[Frame | Failure]:
        """Every picture, decoded."""
        told: list[str] = []
        for index, (path, name) in enumerate(zip(self._found.paths, self._found.names, strict=True), self._first):
            read = partial(read_image, path, max_pixels=self._max_pixels, note=told.append)
            yield _frame_or_failure(read, index, image_id(name), name)
        _tell(told, self._note)

    def close(self) -> None:
        """Nothing is held."""


class PictureStream:
    """JPEG and PNG files one after the other in a stream, named stdin_000001.jpg and so on."""

    is_live = False
    total: int | None = None

    def __init__(self, file: ByteStream, note: Note, max_pixels: int = MAX_PIXELS) -> None:
        self._file, self._note, self._max_pixels = file, note, max_pixels

    def frames(self) -> Iterator[Frame | Failure]:
        """Every picture, decoded; a failure when none came."""
        told: list[str] = []
        index = -1
        for index, (data, is_whole) in enumerate(split_images(self._file)):
            place = f"picture {index + 1} of standard input"
            if not is_whole:
                yield Failure(f"{place}: not a whole JPEG or PNG file ({len(data)} bytes)")
                continue
            suffix = ".png" if data.startswith(PNG_START) else ".jpg"
            name = f"{STREAM_STEM}_{index + 1:06d}{suffix}"
            read = partial(decode_image, data, place, max_pixels=self._max_pixels, note=told.append)
            yield _frame_or_failure(read, index, index + 1, name)
        _tell(told, self._note)
        if index < 0:
            yield Failure("nothing came on standard input: JPEG and PNG files are expected, one after the other")

    def close(self) -> None:
        """Standard input is not ours to close."""


class PictureBytes:
    """One picture that is in memory already, as from an address."""

    is_live = False
    total: int | None = 1

    def __init__(self, data: bytes, name: str, note: Note, max_pixels: int = MAX_PIXELS) -> None:
        self._read = partial(decode_image, data, name, max_pixels=max_pixels, note=note)
        self.name = name

    def frames(self) -> Iterator[Frame | Failure]:
        """The picture."""
        yield _frame_or_failure(self._read, 0, image_id(self.name), self.name)

    def close(self) -> None:
        """Nothing is held."""
