"""Which ids a JSON file has: the model's own, or those of the user's annotations."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Any

from ..config.categories import Category, match_categories
from ..config.model import ModelConfig
from ..errors import DataError, listed
from ..formats.coco import category_ids
from .frames import Frame
from .image_ids import check_distinct


@dataclass(frozen=True)
class CocoIds:
    """Ids of the categories and images of one run."""

    categories: tuple[dict[str, Any], ...]  # as they stand in a JSON file
    category_ids: tuple[int | None, ...]  # of each class; None: its detections are left out
    annotations: Path | None = None  # where they come from; None: from the model
    images: dict[str, int] | None = None  # by file name; None: each frame has its own
    sizes: dict[int, tuple[Any, Any]] = field(default_factory=dict)  # width and height of images, px, where they tell
    notes: tuple[str, ...] = ()

    def of_image(self, frame: Frame) -> int | None:
        """The id of a picture, None when the annotations do not have it."""
        return frame.image_id if self.images is None else _found(frame.name, self.images)

    def check_pictures(self, names: Sequence[str]) -> None:
        """Before any work: each picture needs an id of its own.

        Raises DataError when two have the same, or the annotations have none of them.
        """
        if self.images is None:
            check_distinct(names)
            return
        named: dict[int, str] = {}
        for name in names:
            number = _found(name, self.images)
            if number is not None and named.setdefault(number, name) != name:
                raise DataError(f"{named[number]} and {name} are both image {number} of {self.annotations}")
        if names and not named:
            raise DataError(
                f"{self.annotations} has none of the pictures ({listed(names)}): is it of another data set?"
            )

    def missing_pictures(self, names: Sequence[str]) -> tuple[str, ...]:
        """A line about those of `names` that the annotations do not have, or nothing."""
        missing = [name for name in names if self.images is not None and _found(name, self.images) is None]
        if not missing:
            return ()
        return (f"{self.annotations} does not have {listed(missing)}: left out of the JSON files",)


def model_ids(config: ModelConfig) -> CocoIds:
    """Ids without annotations: COCO's own for COCO's classes, else 1, 2, 3 in the order of the classes."""
    ids = category_ids(config.class_names)
    pairs = zip(ids, config.class_names, strict=True)
    return CocoIds(tuple({"id": number, "name": name} for number, name in pairs), ids)


def annotation_ids(path: Path, config: ModelConfig) -> CocoIds:
    """Ids of the data set in `path`, COCO's instances format: categories by name, images by file name.

    Where the model's classes only have numbers, they are the categories in the order of their ids. Raises DataError for
    a file that is not in that format, or none of whose categories the model knows.
    """
    content = _read(path)
    categories = _records(content, "categories", "name", path)
    images = _records(content, "images", "file_name", path)
    try:
        named = [Category(number, name) for name, number in categories]
        found = match_categories(config, named, _used(content)).category_ids
    except DataError as error:
        raise DataError(f"{path}: {error}") from None
    missing = [name for name, number in zip(config.class_names, found, strict=True) if number is None]
    notes = (f"{path} has no category for {listed(missing)}: left out of the JSON files",) if missing else ()
    kept = tuple({"id": number, "name": name} for name, number in sorted(categories, key=lambda item: item[1]))
    sizes = {record["id"]: (record.get("width"), record.get("height")) for record in content["images"]}
    return CocoIds(kept, found, path, _by_file_name(images), sizes, notes)


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}") from None
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path} is not valid JSON: {error}") from None


def _used(content: Any) -> set[int] | None:
    """The categories that have annotations; None where the file has no annotations."""
    annotations = content.get("annotations")
    entries = annotations if isinstance(annotations, list) else []
    numbers = (entry.get("category_id") for entry in entries if isinstance(entry, dict))
    return {number for number in numbers if type(number) is int} or None


def _records(content: Any, key: str, name: str, path: Path) -> list[tuple[str, int]]:
    """Name and id of each record in a list of `content`. Raises DataError."""
    records = content.get(key) if isinstance(content, dict) else None
    if not isinstance(records, list) or not records:
        raise DataError(f"{path} has no list {key!r}: it has to be in COCO's instances format")
    for record in records:
        is_good = isinstance(record, dict) and isinstance(record.get(name), str) and type(record.get("id")) is int
        if not is_good:
            raise DataError(
                f"{path}: each of {key!r} needs a whole number 'id' and a text {name!r}, not {record!r:.100}"
            )
    return [(record[name], record["id"]) for record in records]


def _by_file_name(images: Sequence[tuple[str, int]]) -> dict[str, int]:
    """Ids by the file name as it stands and, where only one image has it, by the name without folders."""
    bare: dict[str, list[int]] = {}
    for name, number in images:
        bare.setdefault(PurePath(name).name, []).append(number)
    return {**{name: ids[0] for name, ids in bare.items() if len(ids) == 1}, **dict(images)}


def _found(name: str, images: dict[str, int]) -> int | None:
    return images.get(name, images.get(PurePath(name).name))
