"""The COCO instances format, read with care: what is wrong is said, and where."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from yolact_deploy.errors import DataError

_MIN_POLYGON_NUMBERS = 6  # three corners


@dataclass(frozen=True)
class ImageRecord:
    """An entry of `images`."""

    id: int
    file_name: str
    height: int  # px
    width: int  # px


@dataclass(frozen=True)
class Category:
    """An entry of `categories`."""

    id: int
    name: str


@dataclass(frozen=True)
class Instances:
    """A valid instances file."""

    images: tuple[ImageRecord, ...]  # by id
    categories: tuple[Category, ...]  # by id
    annotations: tuple[dict[str, Any], ...]  # with image_id, category_id, bbox, area, segmentation, iscrowd


def parse_instances(content: Any, source: Path) -> Instances:
    """The JSON value `content` of the file `source` -> `Instances`. Raises DataError for a wrong structure."""
    if not isinstance(content, dict):
        raise DataError(f"{source}: expected a JSON object at the top, found {_kind(content)}")
    for key in ("images", "categories", "annotations"):
        if not isinstance(content.get(key), list):
            found = _kind(content[key]) if key in content else "nothing"
            raise DataError(f"{source}: expected a list {key!r}, found {found}: is it in COCO instances format?")
    images = tuple(_image(entry, _Place(source, "images", i)) for i, entry in enumerate(content["images"]))
    categories = tuple(
        _category(entry, _Place(source, "categories", i)) for i, entry in enumerate(content["categories"])
    )
    for name, ids in (("images", [image.id for image in images]), ("categories", [item.id for item in categories])):
        if not ids:
            raise DataError(f"{source}: {name!r} is empty: there is nothing to measure")
        _refuse_repeated(ids, f"{source}: {name!r} has two entries with id")
    _refuse_repeated([item.name for item in categories], f"{source}: 'categories' has two entries named")
    images_by_id = {image.id: image for image in images}
    category_ids = {category.id for category in categories}
    annotations = tuple(
        _annotation(entry, _Place(source, "annotations", i), images_by_id, category_ids)
        for i, entry in enumerate(content["annotations"])
    )
    return Instances(
        images=tuple(sorted(images, key=lambda image: image.id)),
        categories=tuple(sorted(categories, key=lambda category: category.id)),
        annotations=annotations,
    )


@dataclass(frozen=True)
class _Place:
    """Where in a file an entry stands."""

    source: Path
    key: str
    index: int

    def error(self, problem: str) -> DataError:
        return DataError(f"{self.source}: {self.key}[{self.index}] {problem}")

    def check_object(self, entry: Any) -> dict[str, Any]:
        if not isinstance(entry, dict):
            raise self.error(f"is {_kind(entry)}, expected an object")
        return entry

    def integer(self, entry: dict[str, Any], field: str) -> int:
        value: Any = entry.get(field)
        if not _is_integer(value):
            raise self.error(f"has {field} {value!r}, expected a whole number")
        return value

    def text(self, entry: dict[str, Any], field: str) -> str:
        value = entry.get(field)
        if not isinstance(value, str) or not value.strip():
            raise self.error(f"has {field} {value!r}, expected a text")
        return value


def _image(entry: Any, place: _Place) -> ImageRecord:
    entry = place.check_object(entry)
    height, width = place.integer(entry, "height"), place.integer(entry, "width")
    if height < 1 or width < 1:
        raise place.error(f"is {width}x{height} px, expected at least 1x1")
    return ImageRecord(place.integer(entry, "id"), place.text(entry, "file_name"), height, width)


def _category(entry: Any, place: _Place) -> Category:
    entry = place.check_object(entry)
    return Category(place.integer(entry, "id"), place.text(entry, "name"))


def _annotation(entry: Any, place: _Place, images: dict[int, ImageRecord], category_ids: set[int]) -> dict[str, Any]:
    """The entry with what the evaluation reads, and nothing else."""
    entry = place.check_object(entry)
    image_id, category_id = place.integer(entry, "image_id"), place.integer(entry, "category_id")
    if image_id not in images:
        raise place.error(f"has image_id {image_id}, which no image has")
    if category_id not in category_ids:
        raise place.error(f"has category_id {category_id}, which no category has")
    box, area = entry.get("bbox"), entry.get("area")
    if not _are_numbers(box) or len(box) != 4:
        raise place.error(f"has bbox {box!r}, expected four numbers: x, y, width, height")
    if not _are_numbers([area]):
        raise place.error(f"has area {area!r}, expected a number")
    is_crowd = entry.get("iscrowd", 0)
    if is_crowd not in (0, 1):
        raise place.error(f"has iscrowd {is_crowd!r}, expected 0 or 1")
    segmentation = entry.get("segmentation")
    _check_segmentation(segmentation, place, images[image_id])
    return {
        "image_id": image_id,
        "category_id": category_id,
        "bbox": box,
        "area": area,
        "segmentation": segmentation,
        "iscrowd": int(is_crowd),
    }


def _check_segmentation(segmentation: Any, place: _Place, image: ImageRecord) -> None:
    """Polygons, or run lengths of the image's size: pycocotools ends the process, or reads past its memory, on less."""
    if isinstance(segmentation, list) and segmentation:
        for polygon in segmentation:
            if not _are_numbers(polygon) or len(polygon) < _MIN_POLYGON_NUMBERS or len(polygon) % 2:
                raise place.error("has a polygon in segmentation that is no list of three or more x, y pairs")
        return
    if not isinstance(segmentation, dict):
        raise place.error(
            f"has segmentation {_kind(segmentation)}, expected polygons or run lengths (masks are needed)"
        )
    if segmentation.get("size") != [image.height, image.width]:
        raise place.error(
            f"has run lengths of size {segmentation.get('size')!r}, its image has height and width "
            f"{[image.height, image.width]}"
        )
    counts = segmentation.get("counts")
    pixels = image.height * image.width
    if isinstance(counts, str):
        counts = _decoded_counts(counts, place)
    if not isinstance(counts, list) or not all(_is_integer(count) and count >= 0 for count in counts):
        raise place.error("has run lengths whose counts are neither a text nor a list of whole numbers")
    if sum(counts) != pixels:
        raise place.error(f"has run lengths for {sum(counts)} pixels, its image has {pixels}")


def _decoded_counts(text: str, place: _Place) -> list[int]:
    """The run lengths in COCO's compressed text: 5 bits a character, low first, differences to the count before last.

    As `rleFrString` of pycocotools (maskApi.c), which trusts its input.
    """
    counts: list[int] = []
    value = shift = 0
    for character in text:
        bits = ord(character) - 48
        if not 0 <= bits < 64:
            raise place.error(f"has run lengths with the character {character!r}, which the format does not know")
        value |= (bits & 0x1F) << shift
        shift += 5
        if bits & 0x20:
            continue
        if bits & 0x10:
            value |= -1 << shift
        counts.append(value + counts[-2] if len(counts) > 2 else value)
        value = shift = 0
    if shift:
        raise place.error("has run lengths that end in the middle of a number")
    return counts


def _refuse_repeated(values: Sequence[int | str], what: str) -> None:
    seen: set[int | str] = set()
    for value in values:
        if value in seen:
            raise DataError(f"{what} {value!r}")
        seen.add(value)


def _is_integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _are_numbers(values: Any) -> bool:
    return isinstance(values, list) and all(
        isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value) for value in values
    )


def _kind(value: Any) -> str:
    """What a JSON value is, in JSON's words."""
    names = {dict: "an object", list: "an empty list" if value == [] else "a list", str: "a text", type(None): "null"}
    return names.get(type(value), f"{value!r}")
