"""Detections as files in COCO's formats, written as they come."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..errors import listed
from ..formats.coco import corner_and_size, exact, segmentation
from ..types import WindowedDetections
from .coco_ids import CocoIds
from .frames import Note, Result
from .json_sink import JsonList, JsonOutput, line


class CocoFile:
    """A sink: {"categories", "annotations", "images"}, COCO's instances format, readable by pycocotools' COCO.

    Each annotation has image_id, category_id, bbox [x, y, width, height] in px, area in px, score, with YOLACT++
    mask_score, and the mask: run lengths, or polygons. Each image has id, file_name, width and height in px, and, of a
    video, time in s.
    """

    needs_drawing = False

    def __init__(
        self, path: Path, ids: CocoIds, has_mask_scores: bool, as_polygons: bool = False, force: bool = False
    ) -> None:
        """path: a file, or STDOUT. Raises OutputError when it cannot be written, or exists without `force`."""
        self._output = JsonOutput(path, force)
        self._ids, self._has_mask_scores, self._as_polygons = ids, has_mask_scores, as_polygons
        self._images: list[str] = []  # as they will stand there: a million take some hundred MB
        self._count = 0
        self._start = f'{{"categories": {line(ids.categories)},\n"annotations": ['  # written when something comes

    def write(self, result: Result) -> None:
        """Add an image and its annotations."""
        frame, found = result.frame, result.detections
        image_id = self._ids.of_image(frame)
        if image_id is None:
            return
        image = {"id": image_id, "file_name": frame.name, "width": found.width, "height": found.height}
        self._images.append(line(image if frame.time_s is None else {**image, "time": round(frame.time_s, 6)}))
        self._begin()
        for index, entry in _entries(found, self._ids, image_id):
            self._count += 1
            mask = found.masks[index]
            annotation = {"id": self._count, **entry, "area": int(mask.inside.sum()), "iscrowd": 0}
            if self._has_mask_scores:
                annotation["mask_score"] = exact(found.mask_scores[index])
            annotation["segmentation"] = segmentation(mask, found.height, found.width, self._as_polygons)
            self._output.write(("," if self._count > 1 else "") + "\n" + line(annotation))

    def _begin(self) -> None:
        self._output.write(self._start)
        self._start = ""

    def close(self, keep: bool) -> None:
        """End the JSON and give the file its name."""
        try:
            if keep:
                self._begin()
                self._output.write(f'\n],\n"images": [{", ".join(self._images)}]}}\n')
        except BaseException:
            self._output.close(keep=False)
            raise
        self._output.close(keep)


class ResultsFile:
    """A sink: COCO's results format, a list that pycocotools' COCO.loadRes takes, with masks as run lengths.

    Detections whose box has no area are left out, as the official evaluation does.
    """

    needs_drawing = False

    def __init__(self, path: Path, ids: CocoIds, force: bool = False) -> None:
        """path: a file, or STDOUT. Raises OutputError when it cannot be written, or exists without `force`."""
        self._output = JsonList(path, force)
        self._ids = ids

    def write(self, result: Result) -> None:
        """Add the detections of an image."""
        found, image_id = result.detections, self._ids.of_image(result.frame)
        if image_id is None:
            return
        for index, entry in _entries(found, self._ids, image_id):
            if min(entry["bbox"][2:]) <= 0:
                continue
            entry["segmentation"] = segmentation(found.masks[index], found.height, found.width)
            self._output.write(entry)

    def close(self, keep: bool) -> None:
        """End the JSON and give the file its name."""
        self._output.close(keep)


class SizeCheck:
    """A sink without a file: notes pictures of another size than their annotations, which their boxes do not fit."""

    needs_drawing = False

    def __init__(self, ids: CocoIds, note: Note) -> None:
        self._ids, self._note = ids, note
        self._others: list[str] = []

    def write(self, result: Result) -> None:
        """Compare one picture."""
        found, image_id = result.detections, self._ids.of_image(result.frame)
        size = None if image_id is None else self._ids.sizes.get(image_id)
        if size is not None and None not in size and size != (found.width, found.height):
            told = f"{result.frame.name} ({found.width}x{found.height} px, not {size[0]}x{size[1]})"
            self._others.append(told)

    def close(self, keep: bool) -> None:
        """Say what was found."""
        if self._others:
            self._note(
                f"{listed(self._others)}: not the size that {self._ids.annotations} tells, so boxes and masks do not "
                "fit its objects; an EXIF orientation may be the reason"
            )


def _entries(found: WindowedDetections, ids: CocoIds, image_id: int) -> Iterator[tuple[int, dict[str, Any]]]:
    """Of each detection that has a category, its index and what both formats say of it."""
    for index in range(len(found)):
        category_id = ids.category_ids[int(found.classes[index])]
        if category_id is None:
            continue
        yield (
            index,
            {
                "image_id": image_id,
                "category_id": category_id,
                "bbox": corner_and_size(found.boxes[index]),
                "score": exact(found.scores[index]),
            },
        )
