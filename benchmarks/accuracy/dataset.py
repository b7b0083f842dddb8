"""A data set: a folder with images and a COCO-format `instances.json`, checked before anything runs on it."""

from __future__ import annotations

import json
import os
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from yolact_deploy.benchmarks.accuracy.instances import Category, ImageRecord, Instances, parse_instances
from yolact_deploy.benchmarks.accuracy.orientation import decide_orientation
from yolact_deploy.errors import DataError, ImageError
from yolact_deploy.images import read_image
from yolact_deploy.types import Image

ANNOTATION_FILE = "instances.json"
MAX_FILE_BYTES = 2 << 30  # 2 GiB, of annotations: Python needs some times as much memory
IMAGE_FOLDERS = ("", "images")  # where a file name of instances.json is looked for, inside the data folder


@dataclass(frozen=True)
class DataImage:
    """One image of a data set."""

    id: int
    path: Path
    height: int  # px
    width: int  # px
    applies_orientation: bool = True  # whether it is turned as its EXIF tag says

    def read(self) -> Image:
        """The pixels, uint8 [height,width,3] BGR.

        Raises DataError when the file is unreadable or its size is not the one that `instances.json` says.
        """
        try:
            image = read_image(self.path, apply_orientation=self.applies_orientation)
        except ImageError as error:
            raise DataError(f"image {self.id} of the data set: {error}") from None
        if image.shape[:2] != (self.height, self.width):
            other = "ignore" if self.applies_orientation else "apply"
            advice = f", or pass --exif {other}" if image.shape[:2] == (self.width, self.height) else ""
            raise DataError(
                f"image {self.id} of the data set: {self.path} is {image.shape[1]}x{image.shape[0]} px, "
                f"{ANNOTATION_FILE} says {self.width}x{self.height}: correct one of the two{advice}"
            )
        return image


@dataclass(frozen=True)
class Dataset:
    """The chosen images of a data folder, with their annotations."""

    folder: Path
    images: tuple[DataImage, ...]  # by id
    categories: tuple[Category, ...]  # by id; ids may have holes
    annotations: tuple[dict[str, Any], ...]  # of the chosen images, as in COCO, ids numbered from 1
    total_images: int  # in instances.json
    limit: int | None
    seed: int | None
    notes: tuple[str, ...] = ()  # what was decided or left out, for people to read

    @property
    def object_counts(self) -> Counter[int]:
        """How many objects of the chosen images each category id has; crowd regions are none."""
        return Counter(item["category_id"] for item in self.annotations if not item["iscrowd"])

    def describe(self) -> str:
        """One line, such as "nano: 16 of 64 images (seed 3), 6 categories"."""
        count = f"{len(self.images)}"
        if len(self.images) < self.total_images:
            how = "the first by id" if self.seed is None else f"seed {self.seed}"
            count = f"{count} of {self.total_images} images ({how})"
        else:
            count += " images"
        return f"{self.folder.name}: {count}, {len(self.categories)} categories, {len(self.annotations)} objects"


@dataclass(frozen=True)
class NanoData:
    """The data set and weights that come with the package; `benchmarks/data/nano/README.md` says what they are."""

    folder: Path
    weights: Path


def bundled_nano() -> NanoData:
    """Where the bundled data set and its checkpoint lie."""
    folder = Path(__file__).parent.parent / "data" / "nano"
    return NanoData(folder, folder / "yolact_nano_22_4148.pth")


def load_dataset(
    folder: str | Path, limit: int | None = None, seed: int | None = None, exif: str = "auto", skip_bad: bool = False
) -> Dataset:
    """The data set in `folder`: `instances.json`, and images beside it or in `images/`.

    limit: this many images only; the first by id, or, with `seed`, a random choice that the seed repeats. exif: see
    `decide_orientation`. skip_bad: leave malformed annotations out.

    Raises DataError when the folder, the JSON file or image files are missing, or the JSON file is malformed.
    """
    folder = Path(folder)
    if limit is not None and limit < 1:
        raise DataError(f"limit {limit}: at least one image")
    instances = parse_instances(_read_json(folder), folder / ANNOTATION_FILE, skip_bad)
    chosen = _choose(instances.images, limit, seed)
    ids = {record.id for record in chosen}
    images = _located(folder, chosen)
    others = (_find(folder, record) for record in instances.images if record.id not in ids)
    orientation = decide_orientation(images, (image for image in others if image), exif)
    skipped = f"annotations left out: {instances.skipped}" if instances.skipped else ""
    return Dataset(
        folder=folder.resolve(),
        images=tuple(replace(image, applies_orientation=orientation.applies) for image in images),
        categories=instances.categories,
        annotations=_annotations_of(instances, ids),
        total_images=len(instances.images),
        limit=limit,
        seed=seed,
        notes=tuple(note for note in (orientation.note, skipped) if note),
    )


def _read_json(folder: Path) -> Any:
    if not folder.exists():
        raise DataError(f"no such data folder: {folder}")
    if not folder.is_dir():
        raise DataError(f"{folder} is not a folder: name the one that holds {ANNOTATION_FILE} and the images")
    path = folder / ANNOTATION_FILE
    if not path.is_file():
        raise DataError(
            f"{folder} has no {ANNOTATION_FILE}: put the annotations there, in COCO format, beside the images"
        )
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise DataError(f"{path} is larger than {MAX_FILE_BYTES >> 30} GiB: split the data set")
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except json.JSONDecodeError as error:
        raise DataError(f"{path} is not valid JSON: {error.msg} at line {error.lineno}, column {error.colno}") from None
    except RecursionError:
        raise DataError(f"cannot read {path}: it is nested too deeply") from None
    except (OSError, ValueError) as error:  # ValueError: not UTF-8, or a number of thousands of digits
        raise DataError(f"cannot read {path}: {error}") from None


def _choose(records: Sequence[ImageRecord], limit: int | None, seed: int | None) -> tuple[ImageRecord, ...]:
    """The images to use, by id."""
    if limit is None or limit >= len(records):
        return tuple(records)
    if seed is None:
        return tuple(records[:limit])
    return tuple(sorted(random.Random(seed).sample(list(records), limit), key=lambda record: record.id))


def _located(folder: Path, records: Sequence[ImageRecord]) -> list[DataImage]:
    """The files of all images. Raises DataError that counts those that are missing."""
    found = [_find(folder, record) for record in records]
    missing = [record for record, image in zip(records, found, strict=True) if image is None]
    if missing:
        more = f" (and {len(missing) - 1} more images)" if len(missing) > 1 else ""
        raise DataError(
            f"image {missing[0].id} of the data set is missing{more}: {missing[0].file_name} is neither in {folder} "
            f"nor in {folder / IMAGE_FOLDERS[-1]}"
        )
    return [image for image in found if image is not None]


def _find(folder: Path, record: ImageRecord) -> DataImage | None:
    for subfolder in IMAGE_FOLDERS:
        path = folder / subfolder / record.file_name
        if os.path.isfile(path):  # false for a name that no file system takes
            return DataImage(record.id, path, record.height, record.width)
    return None


def _annotations_of(instances: Instances, image_ids: set[int]) -> tuple[dict[str, Any], ...]:
    """Annotations of these images, numbered anew: pycocotools takes an id of 0 for "not matched", and loses one of two
    with the same id."""
    kept = [annotation for annotation in instances.annotations if annotation["image_id"] in image_ids]
    return tuple({**annotation, "id": number} for number, annotation in enumerate(kept, start=1))
