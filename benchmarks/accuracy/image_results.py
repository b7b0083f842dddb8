"""What a model found in each image, small enough to keep for a whole data set: masks are run-length encoded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from yolact_deploy.benchmarks.accuracy.dataset import DataImage
from yolact_deploy.benchmarks.performance.timing import Advance
from yolact_deploy.dependencies import require
from yolact_deploy.ops.boxes import ordered_extent
from yolact_deploy.ops.view import View
from yolact_deploy.predictor import Predictor
from yolact_deploy.types import BoolArray, Detections, FloatArray, Image, IntArray


@dataclass(frozen=True)
class ImageResult:
    """The detections of one image, best score first."""

    image_id: int
    height: int  # px
    width: int  # px
    boxes: IntArray  # [D,4] x1 y1 x2 y2, px, as `Detections` has them
    exact_boxes: npt.NDArray[np.float64]  # [D,4] the same before pixels were made whole
    scores: FloatArray  # [D]
    mask_scores: FloatArray  # [D]
    classes: IntArray  # [D]
    mask_counts: tuple[bytes, ...]  # [D] run lengths in COCO's compressed form

    def __len__(self) -> int:
        return len(self.scores)

    def rle(self, index: int) -> dict[str, Any]:
        """Mask `index` as pycocotools takes it."""
        return {"size": [self.height, self.width], "counts": self.mask_counts[index]}


def encode_mask(mask: BoolArray) -> bytes:
    """Run lengths of a mask [H,W] bool, in COCO's compressed form. Raises MissingDependencyError."""
    coding = require("pycocotools.mask", "evaluating masks")
    return coding.encode(np.asfortranarray(mask).view(np.uint8))["counts"]


def image_result(image_id: int, found: Detections, exact_boxes: npt.NDArray[np.float64] | None = None) -> ImageResult:
    """`found` with its masks encoded; without `exact_boxes`, the whole pixels stand for them."""
    return ImageResult(
        image_id=image_id,
        height=found.height,
        width=found.width,
        boxes=found.boxes,
        exact_boxes=found.boxes.astype(np.float64) if exact_boxes is None else exact_boxes,
        scores=found.scores,
        mask_scores=found.mask_scores,
        classes=found.classes,
        mask_counts=tuple(encode_mask(mask) for mask in found.masks),
    )


def run_image(predictor: Predictor, image_id: int, image: Image) -> ImageResult:
    """What `predictor(image)` gives, with the boxes before they were made whole pixels."""
    height, width = image.shape[:2]
    (network,) = predictor.detect([image])
    found, view = predictor.finish(network, height, width), predictor.view(height, width)
    # `finish` keeps the best, in order.
    return image_result(image_id, found, exact_boxes(network.boxes[: len(found)], view))


def exact_boxes(boxes: FloatArray, view: View) -> npt.NDArray[np.float64]:
    """Relative boxes [D,4] in px of an image, before pixels are made whole: `View.pixels` without truncation."""
    boxes, (height, width) = view.to_seen(boxes), view.seen
    x1, x2 = ordered_extent(boxes[:, 0], boxes[:, 2], width)
    y1, y2 = ordered_extent(boxes[:, 1], boxes[:, 3], height)
    return np.stack((x1, y1, x2, y2), axis=1).astype(np.float64)


def run_images(
    predictor: Predictor, images: Sequence[DataImage], advance: Advance = lambda done, total: None
) -> list[ImageResult]:
    """The detections of every image, one at a time; only one image's pixels and masks are held.

    Raises DataError for an image that cannot be read.
    """
    results = []
    for done, image in enumerate(images, start=1):
        results.append(run_image(predictor, image.id, image.read()))
        advance(done, len(images))
    return results
