"""The annotated objects of a data set, as arrays."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from yolact_deploy.benchmarks.accuracy.dataset import Dataset
from yolact_deploy.config.categories import Category
from yolact_deploy.dependencies import require
from yolact_deploy.types import BoolArray, IntArray


@dataclass(frozen=True)
class Truth:
    """N objects and crowd regions of I images, image by image. A category goes by its place in `categories`."""

    categories: tuple[Category, ...]  # those that are evaluated, by id
    image_ids: tuple[int, ...]  # [I]
    sizes: IntArray  # [I,2] height and width, px
    first: IntArray  # [I+1]: the objects of image i are first[i] to first[i+1] - 1
    images: IntArray  # [N] number of the image
    boxes: npt.NDArray[np.float64]  # [N,4] x1 y1 x2 y2, px
    classes: IntArray  # [N]
    is_crowd: BoolArray  # [N]
    segmentations: tuple[Any, ...] = field(repr=False)  # [N] polygons or run lengths, as in the annotations

    @classmethod
    def of(cls, dataset: Dataset, category_ids: Collection[int] | None = None) -> Truth:
        """category_ids: those to evaluate, None for all."""
        categories = tuple(item for item in dataset.categories if category_ids is None or item.id in category_ids)
        place = {category.id: index for index, category in enumerate(categories)}
        rows = {image.id: row for row, image in enumerate(dataset.images)}
        kept = [item for item in dataset.annotations if item["category_id"] in place]
        kept.sort(key=lambda item: rows[item["image_id"]])  # stable: within an image, as annotated
        counts = np.bincount([rows[item["image_id"]] for item in kept], minlength=len(rows))
        boxes = np.array([item["bbox"] for item in kept], np.float64).reshape(-1, 4)
        boxes[:, 2:] += boxes[:, :2]
        return cls(
            categories=categories,
            image_ids=tuple(rows),
            sizes=np.array([(image.height, image.width) for image in dataset.images], np.int64).reshape(-1, 2),
            first=np.concatenate(([0], np.cumsum(counts))).astype(np.int64),
            images=np.repeat(np.arange(len(rows)), counts),
            boxes=boxes,
            classes=np.array([place[item["category_id"]] for item in kept], np.int64),
            is_crowd=np.array([bool(item["iscrowd"]) for item in kept], np.bool_),
            segmentations=tuple(item["segmentation"] for item in kept),
        )

    def __len__(self) -> int:
        return len(self.classes)

    def of_image(self, image: int) -> slice:
        """The objects of image number `image`."""
        return slice(int(self.first[image]), int(self.first[image + 1]))

    @property
    def objects_per_class(self) -> IntArray:
        """[C]: objects of each category; crowd regions are none."""
        return np.bincount(self.classes[~self.is_crowd], minlength=len(self.categories))

    def rle(self, index: int) -> dict[str, Any]:
        """The mask of an object as pycocotools takes it."""
        return as_rle(self.segmentations[index], *self.sizes[int(self.images[index])].tolist())


def as_rle(segmentation: Any, height: int, width: int) -> dict[str, Any]:
    """Polygons or run lengths of an image of this size, px, as compressed run lengths."""
    coding = require("pycocotools.mask", "judging masks")
    if isinstance(segmentation, list):
        return coding.merge(coding.frPyObjects(segmentation, height, width))
    if isinstance(segmentation["counts"], list):
        return coding.frPyObjects(segmentation, height, width)
    return segmentation
