"""Detections as a file in COCO's instances format, written as they come."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TextIO

from ..config import class_names as data_sets
from ..config.model import ModelConfig
from ..errors import OutputError
from ..files import check_output_path, temporary_beside
from ..types import MaskWindow
from .frames import Result
from .polygons import mask_polygons
from .rle import encode_rle

STDOUT = "-"  # as a path
_NO_AREA = [0.0] * 6  # a triangle without a pixel, for masks without one: pycocotools takes no empty list of polygons
# COCO numbers its 80 categories 1 to 90; these are not in use.
_UNUSED_COCO_IDS = frozenset((12, 26, 29, 30, 45, 66, 68, 69, 71, 83))


def category_ids(class_names: Sequence[str]) -> tuple[int, ...]:
    """The category id of each class: COCO's own for COCO's classes, else 1, 2, 3."""
    if tuple(class_names) == data_sets.COCO:
        return tuple(number for number in range(1, 91) if number not in _UNUSED_COCO_IDS)
    return tuple(range(1, len(class_names) + 1))


def _rle(mask: MaskWindow, height: int, width: int) -> dict[str, Any]:
    return {"size": [height, width], "counts": encode_rle(mask, height, width)}


def _outlines(mask: MaskWindow, height: int, width: int) -> list[list[float]]:
    return mask_polygons(mask) or [_NO_AREA]


class CocoFile:
    """A sink: {"categories", "annotations", "images"}, readable by pycocotools' COCO; its annotations by `loadRes`.

    Each annotation has image_id, category_id, bbox [x, y, width, height] in px, score, with YOLACT++ mask_score, and
    the mask: run lengths, or polygons.
    """

    needs_drawing = False

    def __init__(self, path: Path, config: ModelConfig, as_polygons: bool = False, force: bool = False) -> None:
        """path: a file, or STDOUT. Raises OutputError when it cannot be written, or exists without `force`."""
        self._path, self._is_stdout = path, str(path) == STDOUT
        self._temporary = path if self._is_stdout else temporary_beside(check_output_path(path, force))
        self._has_mask_scores = config.rescores_masks
        self._segment: Callable[[MaskWindow, int, int], Any] = _outlines if as_polygons else _rle
        self._ids = category_ids(config.class_names)
        self._images: list[dict[str, Any]] = []
        self._count = 0
        categories = [{"id": number, "name": name} for number, name in zip(self._ids, config.class_names, strict=True)]
        self._start = f'{{"categories": {_line(categories)},\n"annotations": ['  # written when something comes
        with self._told():
            self._file: TextIO = (
                sys.stdout if self._is_stdout else open(self._temporary, "w", encoding="utf-8")  # noqa: SIM115
            )

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except BrokenPipeError:  # whoever reads standard output has gone
            raise
        except OSError as error:
            reason = error.strerror or error
            raise OutputError(f"cannot write {self._path}: {reason}; nothing was kept of it") from None

    def write(self, result: Result) -> None:
        """Add an image and its annotations."""
        frame, found = result.frame, result.detections
        self._images.append(
            {"id": frame.image_id, "file_name": frame.name, "width": found.width, "height": found.height}
        )
        with self._told():
            self._begin()
            for index in range(len(found)):
                self._count += 1
                x1, y1, x2, y2 = found.boxes[index].tolist()
                annotation = {
                    "id": self._count,
                    "image_id": frame.image_id,
                    "category_id": self._ids[int(found.classes[index])],
                    "bbox": [x1, y1, x2 - x1, y2 - y1],
                    "area": int(found.masks[index].inside.sum()),
                    "iscrowd": 0,
                    "score": round(float(found.scores[index]), 6),
                }
                if self._has_mask_scores:
                    annotation["mask_score"] = round(float(found.mask_scores[index]), 6)
                annotation["segmentation"] = self._segment(found.masks[index], found.height, found.width)
                self._file.write(("," if self._count > 1 else "") + "\n" + _line(annotation))

    def _begin(self) -> None:
        self._file.write(self._start)
        self._start = ""

    def close(self, keep: bool) -> None:
        """End the JSON and give the file its name."""
        try:
            with self._told():
                if keep:
                    self._begin()
                    self._file.write(f'\n],\n"images": {_line(self._images)}}}\n')
                if self._is_stdout:
                    self._file.flush()
                    return
                self._file.close()
                if keep:
                    os.replace(self._temporary, self._path)
        finally:
            if not self._is_stdout:
                with contextlib.suppress(OSError):
                    self._file.close()
                self._temporary.unlink(missing_ok=True)


def _line(value: Any) -> str:
    # A file name that is no UTF-8 becomes escapes, which any reader takes.
    return json.dumps(value)
