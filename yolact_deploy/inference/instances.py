"""The detections of several pictures as one value in COCO's instances format."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from ..config.class_names import generic
from ..detections import Detections
from ..errors import DataError
from ..formats.coco import category_ids
from .image_ids import check_distinct, image_id


def coco_instances(
    found: Mapping[str, Detections], *, categories: Mapping[str, int] | None = None, as_polygons: bool = False
) -> dict[str, Any]:
    """What `infer --json` writes (`--polygons` with `as_polygons`): categories, annotations and images, for json.dump.

    found: the detections of each picture by its file name; image ids are made from the names. categories: see
    `Detections.to_coco`. Raises DataError for two pictures with one id, or detections of different models.
    """
    names = [os.fspath(name) for name in found]
    check_distinct(names)
    class_names = {detections.class_names for detections in found.values() if detections.class_names}
    if len(class_names) > 1:
        raise DataError("detections of models with different classes: write each model's into a file of its own")
    known = next(iter(class_names), None)
    if known is None:  # made without names
        known = generic(
            1 + max((int(index) for detections in found.values() for index in detections.classes), default=-1)
        )
    listed = categories.items() if categories is not None else zip(known, category_ids(known), strict=True)
    annotations = [
        entry
        for name, detections in zip(names, found.values(), strict=True)
        for entry in detections.to_coco(image_id(name), categories=categories, as_polygons=as_polygons)
    ]
    images = [
        {"id": image_id(name), "file_name": name, "width": detections.width, "height": detections.height}
        for name, detections in zip(names, found.values(), strict=True)
    ]
    return {
        "categories": [{"id": number, "name": name} for name, number in listed],
        "annotations": [{"id": number, **entry} for number, entry in enumerate(annotations, start=1)],
        "images": images,
    }
