"""A data set: a folder with images and a COCO-format `instances.json`, checked before anything runs on it."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from yolact_deploy.benchmarks.accuracy.instances import Category, ImageRecord, Instances, parse_instances
from yolact_deploy.errors import DataError, ImageError
from yolact_deploy.images import read_image
from yolact_deploy.types import Image

ANNOTATION_FILE = "instances.json"
IMAGE_FOLDERS = ("", "images")  # where a file name of instances.json is looked for, inside the data folder


@dataclass(frozen=True)
class DataImage:
    """One image of a data set."""

    id: int
    path: Path
    height: int  # px
    width: int  # px

    def read(self) -> Image:
        """The pixels, uint8 [height,width,3] BGR.

        Raises DataError when the file is unreadable or its size is not the one that `instances.json` says.
        """
        try:
            image = read_image(self.path)
            if image.shape[:2] != (self.height, self.width):
                # Annotations of some data sets are drawn on the pixels as stored, whatever the EXIF tag says.
                stored = read_image(self.path, apply_orientation=False)
                image = stored if stored.shape[:2] == (self.height, self.width) else image
        except ImageError as error:
            raise DataError(f"image {self.id} of the data set: {error}") from None
        if image.shape[:2] != (self.height, self.width):
            raise DataError(
                f"image {self.id} of the data set: {self.path} is {image.shape[1]}x{image.shape[0]} px, "
                f"{ANNOTATION_FILE} says {self.width}x{self.height}: correct one of the two"
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


def load_dataset(folder: str | Path, limit: int | None = None, seed: int | None = None) -> Dataset:
    """The data set in `folder`: `instances.json`, and images beside it or in `images/`.

    limit: this many images only; the first by id, or, with `seed`, a random choice that the seed repeats.

    Raises DataError when the folder, the JSON file or an image file is missing, or the JSON file is malformed.
    """
    folder = Path(folder)
    if limit is not None and limit < 1:
        raise DataError(f"limit {limit}: at least one image")
    instances = parse_instances(_read_json(folder), folder / ANNOTATION_FILE)
    chosen = _choose(instances.images, limit, seed)
    ids = {record.id for record in chosen}
    return Dataset(
        folder=folder.resolve(),
        images=tuple(_locate(folder, record) for record in chosen),
        categories=instances.categories,
        annotations=_annotations_of(instances, ids),
        total_images=len(instances.images),
        limit=limit,
        seed=seed,
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
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except json.JSONDecodeError as error:
        raise DataError(f"{path} is not valid JSON: {error.msg} at line {error.lineno}, column {error.colno}") from None
    except (OSError, UnicodeDecodeError, RecursionError) as error:
        raise DataError(f"cannot read {path}: {error}") from None


def _choose(records: Sequence[ImageRecord], limit: int | None, seed: int | None) -> tuple[ImageRecord, ...]:
    """The images to use, by id."""
    if limit is None or limit >= len(records):
        return tuple(records)
    if seed is None:
        return tuple(records[:limit])
    return tuple(sorted(random.Random(seed).sample(list(records), limit), key=lambda record: record.id))


def _locate(folder: Path, record: ImageRecord) -> DataImage:
    for subfolder in IMAGE_FOLDERS:
        path = folder / subfolder / record.file_name
        if path.is_file():
            return DataImage(record.id, path, record.height, record.width)
    raise DataError(
        f"image {record.id} of the data set is missing: {record.file_name} is neither in {folder} "
        f"nor in {folder / IMAGE_FOLDERS[-1]}"
    )


def _annotations_of(instances: Instances, image_ids: set[int]) -> tuple[dict[str, Any], ...]:
    """Annotations of these images, numbered anew: pycocotools takes an id of 0 for "not matched", and loses one of two
    with the same id."""
    kept = [annotation for annotation in instances.annotations if annotation["image_id"] in image_ids]
    return tuple({**annotation, "id": number} for number, annotation in enumerate(kept, start=1))
