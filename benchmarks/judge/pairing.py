"""Which detection is which object, and what is wrong with those that are none.

Detections take objects as in COCO's evaluation (pycocotools, `COCOeval.evaluateImg`): in order of score, each the free
object of its class with the largest box IoU, from `iou` on; a detection without one that lies in a crowd region of its
class is not counted. The kinds of the others, and their order, are those of TIDE (Bolya et al., "TIDE: A General
Toolbox for Identifying Object Detection Errors", ECCV 2020, section 2.2); "poor mask" is added for instance masks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import numpy.typing as npt

from yolact_deploy.benchmarks.accuracy.average_precision import countable
from yolact_deploy.benchmarks.accuracy.classes import ClassMapping
from yolact_deploy.benchmarks.accuracy.image_results import ImageResult
from yolact_deploy.benchmarks.judge.truth import Truth
from yolact_deploy.dependencies import require
from yolact_deploy.types import BoolArray, FloatArray, IntArray

BACKGROUND_IOU = 0.1  # TIDE's t_b: a box that overlaps less has nothing to do with an object
NONE = -1  # no object


class Kind(IntEnum):
    """What a detection is. The first that holds counts, in this order but for NOT_COUNTED."""

    FOUND = 0  # box and mask fit an object of its class
    POOR_MASK = 1  # the box does, the mask does not
    POOR_BOX = 2  # overlaps an object of its class, by less than `iou` but at least BACKGROUND_IOU
    WRONG_CLASS = 3  # fits an object of another class
    DUPLICATE = 4  # fits an object of its class that a better detection has taken
    FALSE = 5  # overlaps no object by more than BACKGROUND_IOU
    WRONG_CLASS_AND_BOX = 6  # overlaps only objects of other classes, and by less than `iou`
    NOT_COUNTED = 7  # in a crowd region


@dataclass(frozen=True)
class Pairing:
    """D detections of all images against the objects of `truth`; image by image, the best score first."""

    truth: Truth
    iou: float
    images: IntArray  # [D] number of the image
    boxes: npt.NDArray[np.float64]  # [D,4] x1 y1 x2 y2, px
    scores: FloatArray  # [D]
    classes: IntArray  # [D] place of the category
    kinds: npt.NDArray[np.int8]  # [D] see Kind
    objects: IntArray  # [D] the object that it is about, NONE for FALSE and WRONG_CLASS_AND_BOX
    mask_ious: FloatArray  # [D] with the object that it has taken; NaN where it has none
    places: IntArray  # [D] index in the result of its image
    nearest: IntArray  # [D] the object of any class that it overlaps most, NONE where it overlaps none
    nearest_ious: FloatArray  # [D] box IoU with it

    @property
    def has_object(self) -> BoolArray:
        """[D]: whether a detection has taken an object, which COCO's box AP counts as right."""
        return self.kinds <= Kind.POOR_MASK


def pair(truth: Truth, results: Sequence[ImageResult], mapping: ClassMapping, iou: float = 0.5) -> Pairing:
    """Pair the results of all images of `truth`, in the same order. Detections of classes that are not evaluated, and
    those whose box has no area, are left out, as for AP."""
    place = {category.id: index for index, category in enumerate(truth.categories)}
    class_places = np.array(
        [NONE if number is None else place.get(number, NONE) for number in mapping.category_ids], np.int64
    )
    parts = [
        _pair_image(truth, image, result, class_places, np.flatnonzero(countable(result, mapping)), iou)
        for image, result in enumerate(results)
    ]
    joined = [np.concatenate(column) for column in zip(*parts, strict=True)]
    return Pairing(truth, iou, *joined)


def _pair_image(
    truth: Truth, image: int, result: ImageResult, class_places: IntArray, kept: IntArray, iou: float
) -> tuple[np.ndarray, ...]:
    """The columns of `Pairing` for one image."""
    kept = kept[np.argsort(-result.scores[kept], kind="stable")]
    boxes, classes = result.boxes[kept].astype(np.float64), class_places[result.classes[kept]]
    here = truth.of_image(image)
    overlaps = _box_ious(boxes, truth.boxes[here], truth.is_crowd[here])  # [D,G]
    is_same = classes[:, None] == truth.classes[here][None]
    taken, ignored = _take(np.where(is_same, overlaps, -1.0), truth.is_crowd[here], iou)
    objects = np.flatnonzero(~truth.is_crowd[here])
    kinds, about = _kinds(overlaps[:, objects], is_same[:, objects], iou)
    about[about != NONE] = objects[about[about != NONE]]
    kinds[ignored], about[ignored] = Kind.NOT_COUNTED, NONE
    mask_ious = np.full(len(kept), np.nan, np.float32)
    pairs = np.flatnonzero(taken != NONE)
    kinds[pairs], about[pairs] = Kind.FOUND, taken[pairs]
    mask_ious[pairs] = _mask_ious(truth, here.start, result, kept[pairs], taken[pairs])
    kinds[pairs[mask_ious[pairs] < iou]] = Kind.POOR_MASK
    about[about != NONE] += here.start
    images = np.full(len(kept), image, np.int64)
    nearest, nearest_ious = _nearest(overlaps[:, objects], objects + here.start)
    return images, boxes, result.scores[kept], classes, kinds, about, mask_ious, kept, nearest, nearest_ious


def _nearest(overlaps: np.ndarray, objects: IntArray) -> tuple[IntArray, FloatArray]:
    """Of `objects` [G], the one that each detection overlaps most, and the IoU. overlaps: [D,G]."""
    if not overlaps.size:
        return np.full(len(overlaps), NONE, np.int64), np.zeros(len(overlaps), np.float32)
    ious = overlaps.max(axis=1)
    return np.where(ious > 0, objects[overlaps.argmax(axis=1)], NONE), ious.astype(np.float32)


def _box_ious(boxes: np.ndarray, objects: np.ndarray, is_crowd: BoolArray) -> npt.NDArray[np.float64]:
    """[D,G] by pycocotools: for a crowd region, the share of the detection that lies in it."""
    if not len(boxes) or not len(objects):
        return np.zeros((len(boxes), len(objects)))
    sizes = [np.concatenate((item[:, :2], item[:, 2:] - item[:, :2]), axis=1) for item in (boxes, objects)]
    return require("pycocotools.mask", "judging boxes").iou(*sizes, is_crowd.astype(np.uint8))


def _take(overlaps: np.ndarray, is_crowd: BoolArray, iou: float) -> tuple[IntArray, BoolArray]:
    """The object [D] that each detection takes (NONE: none), and whether [D] it lies in a crowd region instead.

    overlaps: IoU [D,G], negative for objects of other classes. Of equal IoUs the last counts, as in pycocotools.
    """
    taken = np.full(len(overlaps), NONE, np.int64)
    ignored = np.zeros(len(overlaps), np.bool_)
    if not overlaps.size:
        return taken, ignored
    free = overlaps.copy()
    free[:, is_crowd] = -1
    for row in np.flatnonzero((free >= iou).any(axis=1)):
        best = free.shape[1] - 1 - int(free[row, ::-1].argmax())
        if free[row, best] >= iou:
            taken[row] = best
            free[:, best] = -1
    ignored = (taken == NONE) & (np.where(is_crowd, overlaps, -1) >= iou).any(axis=1)
    return taken, ignored


def _kinds(overlaps: np.ndarray, is_same: BoolArray, iou: float) -> tuple[npt.NDArray[np.int8], IntArray]:
    """Kind [D] and object [D] of detections, were all of them without an object of their own."""
    count = len(overlaps)
    kinds = np.full(count, Kind.FALSE, np.int8)
    about = np.full(count, NONE, np.int64)
    if not overlaps.size:
        return kinds, about
    same, other = np.where(is_same, overlaps, -1.0), np.where(is_same, -1.0, overlaps)
    kinds[overlaps.max(axis=1) > BACKGROUND_IOU] = Kind.WRONG_CLASS_AND_BOX
    for kind, places, part in (  # a later one overrules
        (Kind.DUPLICATE, same.max(axis=1) >= iou, same),
        (Kind.WRONG_CLASS, other.max(axis=1) >= iou, other),
        (Kind.POOR_BOX, (same.max(axis=1) >= BACKGROUND_IOU) & (same.max(axis=1) < iou), same),
    ):
        kinds[places], about[places] = kind, part.argmax(axis=1)[places]
    return kinds, about


def _mask_ious(truth: Truth, start: int, result: ImageResult, detections: IntArray, objects: IntArray) -> np.ndarray:
    """Mask IoU of each pair [P]."""
    if not len(detections):
        return np.zeros(0, np.float32)
    coding = require("pycocotools.mask", "judging masks")
    found = [result.rle(index) for index in detections.tolist()]
    wanted = [truth.rle(start + index) for index in objects.tolist()]
    return np.diagonal(coding.iou(found, wanted, [0] * len(wanted)))
