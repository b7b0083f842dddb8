"""A data set: images and annotations in COCO's instances format, checked before anything runs on it."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from yolact_deploy.benchmarks.accuracy.instances import ImageRecord, Instances, parse_instances
from yolact_deploy.benchmarks.accuracy.layout import Layout, find_layout
from yolact_deploy.benchmarks.accuracy.orientation import decide_orientation
from yolact_deploy.config.categories import Category
from yolact_deploy.errors import DataError, ImageError
from yolact_deploy.images import read_image
from yolact_deploy.types import Image

MAX_FILE_BYTES = 2 << 30  # 2 GiB, of annotations: Python needs some times as much memory
SCALE_TOLERANCE = 0.01  # of the ratio of two sizes: both sides are rounded to whole pixels


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

        Raises DataError when the file is unreadable or its size is not the one that the annotations say.
        """
        try:
            image = read_image(self.path, apply_orientation=self.applies_orientation)
        except ImageError as error:
            raise DataError(f"image {self.id} of the data set: {error}") from None
        if image.shape[:2] != (self.height, self.width):
            raise DataError(
                f"image {self.id} of the data set: {self.path} is {image.shape[1]}x{image.shape[0]} px, the "
                f"annotations say {self.width}x{self.height}{self._size_advice(*image.shape[:2])}"
            )
        return image

    def _size_advice(self, height: int, width: int) -> str:
        """What may be the reason for another size, px, than the annotations say."""
        if (height, width) == (self.width, self.height):
            return f": correct one of the two, or pass --exif {'ignore' if self.applies_orientation else 'apply'}"
        scale = self.width / width
        if abs(self.height / height / scale - 1) > SCALE_TOLERANCE:
            return ": correct one of the two"
        return f": the annotations are for pictures of {scale:.3g} times this size; scale one of the two"


@dataclass(frozen=True)
class Dataset:
    """The chosen images of a data folder, with their annotations."""

    folder: Path
    annotation_file: Path
    images: tuple[DataImage, ...]  # by id
    categories: tuple[Category, ...]  # by id; ids may have holes
    annotations: tuple[dict[str, Any], ...]  # of the chosen images, as in COCO, ids numbered from 1
    total_images: int  # in the annotations
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
    folder: str | Path | None,
    limit: int | None = None,
    seed: int | None = None,
    exif: str = "auto",
    skip_bad: bool = False,
    annotations: Path | None = None,
) -> Dataset:
    """The data set in `folder`, in any of the layouts that `find_layout` knows.

    limit: this many images only; the first by id, or, with `seed`, a random choice that the seed repeats. exif: see
    `decide_orientation`. skip_bad: leave malformed annotations out. annotations: the file, where it is not found.

    Raises DataError when the folder, the JSON file or image files are missing, or the JSON file is malformed.
    """
    if limit is not None and limit < 1:
        raise DataError(f"limit {limit}: at least one image")
    layout = find_layout(None if folder is None else Path(folder), annotations)
    instances = parse_instances(_read_json(layout.annotations), layout.annotations, skip_bad)
    chosen = _choose(instances.images, limit, seed)
    ids = {record.id for record in chosen}
    finder = layout.finder([record.file_name for record in instances.images])

    def find(record: ImageRecord) -> DataImage | None:
        path = finder.find(record.file_name)
        return None if path is None else DataImage(record.id, path, record.height, record.width)

    images = _all_found(layout, chosen, [find(record) for record in chosen])
    others = (find(record) for record in instances.images if record.id not in ids)
    orientation = decide_orientation(images, (image for image in others if image), exif)
    skipped = f"annotations left out: {instances.skipped}" if instances.skipped else ""
    return Dataset(
        folder=layout.folder.resolve(),
        annotation_file=layout.annotations,
        images=tuple(replace(image, applies_orientation=orientation.applies) for image in images),
        categories=instances.categories,
        annotations=_annotations_of(instances, ids),
        total_images=len(instances.images),
        limit=limit,
        seed=seed,
        notes=tuple(note for note in (layout.note, orientation.note, skipped) if note),
    )


def _read_json(path: Path) -> Any:
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


def _all_found(layout: Layout, records: Sequence[ImageRecord], found: Sequence[DataImage | None]) -> list[DataImage]:
    """The files of all images. Raises DataError that counts those that are missing."""
    missing = [record for record, image in zip(records, found, strict=True) if image is None]
    if missing:
        more = f" (and {len(missing) - 1} more images)" if len(missing) > 1 else ""
        raise DataError(
            f"image {missing[0].id} of the data set is missing{more}: {missing[0].file_name} is in none of "
            f"{', '.join(map(str, layout.existing_folders))}"
        )
    return [image for image in found if image is not None]


def _annotations_of(instances: Instances, image_ids: set[int]) -> tuple[dict[str, Any], ...]:
    """Annotations of these images, numbered anew: pycocotools takes an id of 0 for "not matched", and loses one of two
    with the same id."""
    kept = [annotation for annotation in instances.annotations if annotation["image_id"] in image_ids]
    return tuple({**annotation, "id": number} for number, annotation in enumerate(kept, start=1))
