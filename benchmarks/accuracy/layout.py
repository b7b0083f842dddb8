"""Where the annotations and the pictures of a data set lie: the layouts that people have.

| layout | annotations | pictures |
|---|---|---|
| ours | `instances.json` | beside it, or in `images/` |
| COCO, CVAT | `annotations/instances_NAME.json` | `NAME/`, `images/NAME/` or `images/`, or the folder itself |
| Roboflow | `_annotations.coco.json`, in `train/`, `valid/`, `test/` | beside it |
| Label Studio | `result.json` | `images/` |
| labelme2coco, FiftyOne | the only JSON file with images, annotations and categories | any folder of these |
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from urllib.parse import unquote

from yolact_deploy.errors import DataError, listed
from yolact_deploy.files import files_below

OURS, ROBOFLOW, IN_COCO = "instances.json", "_annotations.coco.json", "annotations"
PICTURE_FOLDERS = ("", "images", "JPEGImages", "data")  # below the data folder
_HEAD_BYTES, _SNIFFED_BYTES = 1 << 16, 64 << 20  # 64 KiB from either end, of files up to 64 MiB whole
_KEYS = (b'"images"', b'"annotations"', b'"categories"')
_TRAINING = re.compile(r"(?<![a-z])train(ing|val)?(?![a-z])", re.IGNORECASE)


def names_training(name: str) -> bool:
    """Whether a name says that what bears it is for training: train, train2017, instances_train.json."""
    return _TRAINING.search(name) is not None


@dataclass(frozen=True)
class PictureFinder:
    """Finds the file of each name that the annotations have."""

    folders: tuple[Path, ...]
    unique: frozenset[str]  # names without folders that only one image has

    def find(self, file_name: str) -> Path | None:
        """The picture: as the annotations say; else, where the bare name is unique, by that. None: there is none."""
        slashes = file_name.replace("\\", "/")
        bare = bare_name(file_name)
        candidates = [file_name, slashes, unquote(slashes), *((bare, unquote(bare)) if bare in self.unique else ())]
        for candidate in dict.fromkeys(candidates):
            for folder in self.folders:
                path = folder / candidate
                if os.path.isfile(path):  # false for a name that no file system takes
                    return path
        return None


def bare_name(file_name: str) -> str:
    """The name without its folders, whichever way their separators lean."""
    return PurePosixPath(file_name.replace("\\", "/")).name


@dataclass(frozen=True)
class Layout:
    """Where a data set lies."""

    folder: Path  # what the user named
    annotations: Path
    note: str = ""  # what was chosen among several; empty when there was no choice

    @cached_property
    def existing_folders(self) -> tuple[Path, ...]:
        """Where pictures are looked for, nearest first."""
        split = re.sub(r"^instances_", "", self.annotations.stem)
        roots = [self.folder, self.annotations.parent]
        if self.annotations.parent.name == IN_COCO:
            roots.append(self.annotations.parent.parent)
        places = [root / place for root in roots for place in (*PICTURE_FOLDERS, split, f"images/{split}")]
        return tuple(dict.fromkeys(place for place in places if place.is_dir()))

    def files_below(self) -> list[Path]:
        """Every file in these folders and their subfolders."""
        folders = dict.fromkeys((self.folder, *self.existing_folders))
        return list(dict.fromkeys(path for folder in folders for path in files_below(folder)))

    def finder(self, file_names: Sequence[str]) -> PictureFinder:
        """For the pictures of these names, all that the annotations have."""
        counts = Counter(map(bare_name, file_names))
        return PictureFinder(self.existing_folders, frozenset(name for name, count in counts.items() if count == 1))


def find_layout(folder: Path | None, annotations: Path | None = None) -> Layout:
    """The layout of `folder`. annotations: the file, where the user names it; its folder is the default for `folder`.

    Where several files could be meant, the only one whose name says nothing of training is taken and said. Raises
    DataError when there is none, or more than one.
    """
    if annotations is not None:
        if not annotations.is_file():
            raise DataError(f"no such file of annotations: {annotations}")
        folder = annotations.parent if folder is None else folder
    if folder is None:
        raise DataError("no data folder: name one with --data")
    if not folder.exists():
        raise DataError(f"no such data folder: {folder}")
    if not folder.is_dir():
        raise DataError(
            f"{folder} is not a folder: name the one that holds the pictures, and {folder} by --annotations"
        )
    if annotations is not None:
        return Layout(folder, annotations)
    for candidates in (_named_files, _only_json, _splits):
        found = candidates(folder)
        if found:
            return _chosen(folder, found)
    raise DataError(
        f"{folder} has no annotations: put {OURS} there, in COCO format, beside the images, or name the file with "
        "--annotations"
    )


def _chosen(folder: Path, found: Sequence[Path]) -> Layout:
    if len(found) == 1:
        return Layout(folder, found[0])
    names = [str(path.relative_to(folder)) if path.is_relative_to(folder) else str(path) for path in found]
    others = [path for path, name in zip(found, names, strict=True) if not names_training(name)]
    if len(others) == 1:
        note = f"annotations from {others[0]}: {folder} has {listed(names)}; --annotations names another file"
        return Layout(folder, others[0], note)
    raise DataError(f"{folder} has several files of annotations ({listed(names)}): name one with --annotations")


def _named_files(folder: Path) -> list[Path]:
    """Files whose names say what they are, of the first layout that has any."""
    for name in (OURS, ROBOFLOW):
        if (folder / name).is_file():
            return [folder / name]
    inside = sorted((folder / IN_COCO).glob("instances_*.json"))
    if inside:
        return inside
    whole = folder.resolve()  # coco/val2017, or coco/images/val2017
    above = [parent / IN_COCO / f"instances_{whole.name}.json" for parent in (whole.parent, whole.parent.parent)]
    return [path for path in above if path.is_file()][:1]


def _only_json(folder: Path) -> list[Path]:
    """Files of any name with the content of annotations."""
    for place in (folder, folder / IN_COCO):
        found = [path for path in sorted(place.glob("*.json")) if path.is_file() and _has_annotations(path)]
        if found:
            return found
    return []


def _has_annotations(path: Path) -> bool:
    """Whether a JSON file has the three keys of COCO's instances format; of large files the two ends are read."""
    try:
        with path.open("rb") as file:
            if path.stat().st_size <= _SNIFFED_BYTES:
                text = file.read()
            else:
                text = file.read(_HEAD_BYTES)
                file.seek(-_HEAD_BYTES, os.SEEK_END)
                text += file.read()
    except OSError:
        return False
    return sum(key in text for key in _KEYS) >= (3 if len(text) != 2 * _HEAD_BYTES else 2)


def _splits(folder: Path) -> list[Path]:
    """One file for each part of the data set, in a folder of its own, as Roboflow exports it."""
    return [path for name in (ROBOFLOW, OURS) for path in sorted(folder.glob(f"*/{name}")) if path.is_file()]
