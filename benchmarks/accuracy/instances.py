"""The COCO instances format, read with care: every fault is named, with its place, before anything runs on the data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from yolact_deploy.benchmarks.accuracy.segmentation import (
    MAX_COORDINATE,
    EntryError,
    are_numbers,
    check_segmentation,
    is_integer,
    kind_of,
)
from yolact_deploy.config.categories import Category
from yolact_deploy.errors import DataError

MAX_SIDE = 1 << 16  # px, of an image
MAX_PIXELS = 1 << 30  # of an image: pycocotools counts in 32 bits
MAX_AREA = 1e10  # px: what is larger, pycocotools leaves out without a word
MAX_ID = 1 << 63
_SHOWN = 5  # kinds of fault in a message

_Entry = TypeVar("_Entry")


@dataclass(frozen=True)
class ImageRecord:
    """An entry of `images`."""

    id: int
    file_name: str
    height: int  # px
    width: int  # px


@dataclass(frozen=True)
class Instances:
    """A valid instances file."""

    images: tuple[ImageRecord, ...]  # by id
    categories: tuple[Category, ...]  # by id
    annotations: tuple[dict[str, Any], ...]  # with image_id, category_id, bbox, area, segmentation, iscrowd
    skipped: str = ""  # what was left out, and why; empty when nothing was


def parse_instances(content: Any, source: Path, skip_bad: bool = False) -> Instances:
    """The JSON value `content` of the file `source` -> `Instances`.

    skip_bad: leave malformed annotations out instead of refusing them. Raises DataError that names all faults.
    """
    if not isinstance(content, dict):
        raise DataError(f"{source}: expected a JSON object at the top, found {kind_of(content)}")
    for key in ("images", "categories", "annotations"):
        if not isinstance(content.get(key), list):
            found = kind_of(content[key]) if key in content else "nothing"
            raise DataError(f"{source}: expected a list {key!r}, found {found}: is it in COCO instances format?")
    faults = _Faults()
    images = faults.parse("images", content["images"], _image)
    categories = faults.parse("categories", _worth_reading(content), _category)
    for key, ids in (("images", [image.id for image in images]), ("categories", [item.id for item in categories])):
        if not content[key]:
            raise DataError(f"{source}: {key!r} is empty: there is nothing to measure")
        faults.check_unique(key, ids)
    by_id = {image.id: image for image in images}
    category_ids = {category.id for category in categories}
    bad = faults if not skip_bad else _Faults()
    annotations = (
        []
        if faults.count
        else bad.parse("annotations", content["annotations"], lambda entry: _annotation(entry, by_id, category_ids))
    )
    if faults.count:
        advice = "" if faults.keys - {"annotations"} else ", or pass --skip-bad-annotations to leave them out"
        raise DataError(f"{source}: {faults.text()}: correct {'it' if faults.count == 1 else 'them'}{advice}")
    return Instances(
        images=tuple(sorted(images, key=lambda image: image.id)),
        categories=tuple(sorted(categories, key=lambda category: category.id)),
        annotations=tuple(annotations),
        skipped=bad.text() if bad.count else "",
    )


class _Faults:
    """Faults of entries, gathered by kind."""

    def __init__(self) -> None:
        self.count = 0
        self.keys: set[str] = set()
        self._kinds: dict[tuple[str, str], list[str]] = {}  # key and kind -> each fault in words

    def parse(self, key: str, entries: Sequence[Any], parse: Callable[[Any], _Entry]) -> list[_Entry]:
        """What `parse` makes of each entry; those that raise EntryError are left out and kept in mind."""
        parsed = (self._parse_one(f"{key}[{index}]", key, entry, parse) for index, entry in enumerate(entries))
        return [value for value in parsed if value is not None]

    def _parse_one(self, place: str, key: str, entry: Any, parse: Callable[[Any], _Entry]) -> _Entry | None:
        try:
            if not isinstance(entry, dict):
                raise EntryError("object", f"is {kind_of(entry)}, expected an object")
            return parse(entry)
        except EntryError as error:
            self._add(key, error.kind, f"{place} {error.problem}")
            return None

    def check_unique(self, key: str, ids: Sequence[int]) -> None:
        """An id stands for one entry."""
        for repeated, count in Counter(ids).items():
            if count > 1:
                self._add(key, "repeated", f"{key!r} has two entries with id {repeated}")

    def text(self) -> str:
        """All of it: how many of each kind, with an example."""
        kinds = list(self._kinds.values())
        parts = [each[0] + (f" (and {len(each) - 1} more like it)" if len(each) > 1 else "") for each in kinds[:_SHOWN]]
        left = sum(len(each) for each in kinds[_SHOWN:])
        more = f"; and {left} of other kinds" if left else ""
        return ("" if self.count == 1 else f"{self.count} faults: ") + "; ".join(parts) + more

    def _add(self, key: str, kind: str, text: str) -> None:
        self.count += 1
        self.keys.add(key)
        self._kinds.setdefault((key, kind), []).append(text)


def _worth_reading(content: dict[str, Any]) -> list[Any]:
    """The categories without those that are malformed but have no annotation: they cannot matter."""
    used = {
        item.get("category_id")
        for item in content["annotations"]
        if isinstance(item, dict) and is_integer(item.get("category_id"))
    }

    def matters(entry: Any) -> bool:
        if not isinstance(entry, dict) or not is_integer(entry.get("id")) or entry["id"] in used:
            return True
        try:
            _category(entry)
        except EntryError:
            return False
        return True

    return [entry for entry in content["categories"] if matters(entry)]


def _integer(entry: dict[str, Any], field: str) -> int:
    value: Any = entry.get(field)
    if not is_integer(value) or not -MAX_ID < value < MAX_ID:
        raise EntryError(field, f"has {field} {kind_of(value)}, expected a whole number")
    return value


def _text(entry: dict[str, Any], field: str) -> str:
    value = entry.get(field)
    if not isinstance(value, str) or not value.strip() or "\0" in value:
        raise EntryError(field, f"has {field} {kind_of(value)}, expected a text")
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        raise EntryError(field, f"has {field} {value!a}, expected a text without lone surrogates") from None
    return value


def _image(entry: dict[str, Any]) -> ImageRecord:
    height, width = _integer(entry, "height"), _integer(entry, "width")
    if not (1 <= height <= MAX_SIDE and 1 <= width <= MAX_SIDE and height * width <= MAX_PIXELS):
        raise EntryError(
            "size", f"is {width}x{height} px, expected 1x1 px to {MAX_SIDE} px per side and {MAX_PIXELS} px"
        )
    return ImageRecord(_integer(entry, "id"), _text(entry, "file_name"), height, width)


def _category(entry: dict[str, Any]) -> Category:
    return Category(_integer(entry, "id"), _text(entry, "name"))


def _annotation(entry: dict[str, Any], images: dict[int, ImageRecord], category_ids: set[int]) -> dict[str, Any]:
    """The entry with what the evaluation reads, and nothing else."""
    image_id, category_id = _integer(entry, "image_id"), _integer(entry, "category_id")
    if image_id not in images:
        raise EntryError("image_id", f"has image_id {image_id}, which no image has")
    if category_id not in category_ids:
        raise EntryError("category_id", f"has category_id {category_id}, which no category has")
    box: Any = entry.get("bbox")
    area: Any = entry.get("area")
    if not are_numbers(box, MAX_COORDINATE) or len(box) != 4 or min(box[2:]) < 0:
        raise EntryError(
            "bbox", f"has bbox {kind_of(box)}, expected four numbers: x, y, width, height, up to {MAX_COORDINATE} px"
        )
    if not are_numbers([area], MAX_AREA) or area < 0:
        raise EntryError("area", f"has area {kind_of(area)}, expected a number, 0 to {MAX_AREA:g} px")
    is_crowd = entry.get("iscrowd", 0)
    if is_crowd not in (0, 1):
        raise EntryError("iscrowd", f"has iscrowd {kind_of(is_crowd)}, expected 0 or 1")
    segmentation = entry.get("segmentation")
    check_segmentation(segmentation, images[image_id].height, images[image_id].width)
    return {
        "image_id": image_id,
        "category_id": category_id,
        "bbox": box,
        "area": area,
        "segmentation": segmentation,
        "iscrowd": int(is_crowd),
    }
