"""Average precision as COCO defines it, by pycocotools."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from yolact_deploy.benchmarks.accuracy.classes import ClassMapping
from yolact_deploy.benchmarks.accuracy.dataset import Dataset
from yolact_deploy.benchmarks.accuracy.image_results import ImageResult
from yolact_deploy.dependencies import require

NOT_AVAILABLE = -1.0  # as pycocotools has it: there is no object to find
_AREAS = ("all", "small", "medium", "large")  # pycocotools' order: < 32^2 px, < 96^2 px, the rest
MAX_AT_ONCE = 100_000  # detections that are given to pycocotools together, unless one category has more
_Found = tuple[ImageResult, int]  # and the place of a detection in it
_IOU_50, _IOU_75 = 0, 5  # places among the IoU thresholds 0.50, 0.55, ... 0.95


@dataclass(frozen=True)
class PrecisionCurves:
    """Precision at the recalls 0.00, 0.01, ... 1.00, mean over the categories that have objects; four decimals, for
    drawing. Empty when there is no object to find. The mean of a curve is the AP of the same name."""

    ap: tuple[float, ...] = ()  # mean over IoU thresholds 0.50 to 0.95
    ap50: tuple[float, ...] = ()
    ap75: tuple[float, ...] = ()


@dataclass(frozen=True)
class AveragePrecision:
    """AP as fractions; `NOT_AVAILABLE` where the data set has no such object."""

    ap: float  # mean over IoU thresholds 0.50 to 0.95
    ap50: float
    ap75: float
    small: float
    medium: float
    large: float
    per_class: tuple[tuple[str, float], ...]  # category name and AP, by category id
    curves: PrecisionCurves = PrecisionCurves()


@dataclass(frozen=True)
class Accuracy:
    """How well a model's boxes and masks fit the annotations."""

    box: AveragePrecision
    mask: AveragePrecision


class GroundTruth:
    """The annotations of a data set, ready to be compared with any number of results.

    Crowd regions, images without objects and holes in category ids are what they are to pycocotools.
    """

    def __init__(self, dataset: Dataset, category_ids: Collection[int] | None = None) -> None:
        """category_ids: those to evaluate, None for all. Raises MissingDependencyError without pycocotools."""
        categories = [item for item in dataset.categories if category_ids is None or item.id in category_ids]
        self._images = [{"id": image.id, "height": image.height, "width": image.width} for image in dataset.images]
        self._categories: list[dict[str, Any]] = [{"id": item.id, "name": item.name} for item in categories]
        # Copied, because pycocotools writes into annotations.
        self._coco = self._indexed([dict(annotation) for annotation in dataset.annotations])

    def evaluate(self, results: Sequence[ImageResult], mapping: ClassMapping) -> Accuracy:
        """Box AP ranks by `scores`, mask AP by `mask_scores`. Detections whose box has no area are left out, as the
        official evaluation does; no detections at all give an AP of 0."""
        kept = [(result, index) for result in results for index in np.flatnonzero(countable(result, mapping)).tolist()]
        by_category: dict[int | None, list[tuple[ImageResult, int]]] = {}
        for result, index in kept:
            by_category.setdefault(mapping.category_ids[result.classes[index]], []).append((result, index))
        return Accuracy(
            box=self._average_precision("bbox", by_category, lambda item: _box_entry(*item, mapping)),
            mask=self._average_precision("segm", by_category, lambda item: _mask_entry(*item, mapping)),
        )

    def _indexed(self, annotations: list[dict[str, Any]]) -> Any:
        coco_module = require("pycocotools.coco", "computing AP")
        coco = coco_module.COCO()
        coco.dataset = {"images": self._images, "categories": self._categories, "annotations": annotations}
        with _quiet():
            coco.createIndex()
        return coco

    def _precision(self, kind: str, category_ids: list[int], entries: list[dict[str, Any]]) -> npt.NDArray[np.float64]:
        """[IoU, recall, category, area], 100 detections per image and category."""
        for number, entry in enumerate(entries, start=1):
            entry.update(id=number, iscrowd=0)
        evaluation = require("pycocotools.cocoeval", "computing AP").COCOeval(self._coco, self._indexed(entries), kind)
        evaluation.params.catIds = category_ids
        with _quiet():
            evaluation.evaluate()
            evaluation.accumulate()
        return evaluation.eval["precision"][..., -1]

    def _average_precision(
        self, kind: str, found: Mapping[int | None, Sequence[_Found]], entry: Callable[[_Found], dict[str, Any]]
    ) -> AveragePrecision:
        """found: detections by category. Some categories at a time: pycocotools takes a few kB per detection."""
        parts: list[list[int]] = [[]]
        size = 0
        for number in sorted(category["id"] for category in self._categories):
            size += len(found.get(number, ()))
            if parts[-1] and size > MAX_AT_ONCE:
                parts.append([])
                size = len(found.get(number, ()))
            parts[-1].append(number)
        precisions = [
            self._precision(kind, ids, [entry(item) for number in ids for item in found.get(number, ())])
            for ids in parts
        ]
        precision = np.concatenate(precisions, axis=2)
        ap, small, medium, large = (_mean(precision[:, :, :, area]) for area in range(len(_AREAS)))
        names = [str(category["name"]) for category in self._categories]  # sorted by id, as pycocotools has them
        return AveragePrecision(
            ap=ap,
            ap50=_mean(precision[_IOU_50, :, :, 0]),
            ap75=_mean(precision[_IOU_75, :, :, 0]),
            small=small,
            medium=medium,
            large=large,
            per_class=tuple((name, _mean(precision[:, :, index, 0])) for index, name in enumerate(names)),
            curves=PrecisionCurves(
                ap=_curve(precision[:, :, :, 0]),
                ap50=_curve(precision[_IOU_50, None, :, :, 0]),
                ap75=_curve(precision[_IOU_75, None, :, :, 0]),
            ),
        )


def countable(result: ImageResult, mapping: ClassMapping) -> npt.NDArray[np.bool_]:
    """Which detections [D] take part: those with an area, of a class that the data set has."""
    known = np.array([category_id is not None for category_id in mapping.category_ids])
    x1, y1, x2, y2 = result.boxes.T
    return ((x2 - x1) * (y2 - y1) > 0) & known[result.classes]


def _box_entry(result: ImageResult, index: int, mapping: ClassMapping) -> dict[str, Any]:
    x1, y1, x2, y2 = (int(value) for value in result.boxes[index])
    return {
        "image_id": result.image_id,
        "category_id": mapping.category_ids[result.classes[index]],
        "bbox": [x1, y1, x2 - x1, y2 - y1],
        "area": (x2 - x1) * (y2 - y1),
        "score": float(result.scores[index]),
    }


def _mask_entry(result: ImageResult, index: int, mapping: ClassMapping) -> dict[str, Any]:
    rle = result.rle(index)
    return {
        "image_id": result.image_id,
        "category_id": mapping.category_ids[result.classes[index]],
        "segmentation": rle,
        "area": int(require("pycocotools.mask", "evaluating masks").area(rle)),
        "score": float(result.mask_scores[index]),
    }


def _mean(precision: npt.NDArray[np.float64]) -> float:
    """As pycocotools' `summarize`: without the places where there is nothing to find."""
    available = precision[precision > NOT_AVAILABLE]
    return float(available.mean()) if available.size else NOT_AVAILABLE


def _curve(precision: npt.NDArray[np.float64]) -> tuple[float, ...]:
    """From precision [IoU, recall, category], see `PrecisionCurves`."""
    by_recall = precision.transpose(1, 0, 2).reshape(precision.shape[1], -1)  # a category is absent at every recall
    by_recall = by_recall[:, by_recall[0] > NOT_AVAILABLE]
    return tuple(by_recall.mean(axis=1).round(4).tolist()) if by_recall.size else ()


_quiet_lock = threading.Lock()


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """pycocotools prints its progress with no way to turn that off: its modules lose their `print` for a while.

    `sys.stdout` stays as it is: other threads may be printing, and CPython before 3.14 may crash when the object is
    exchanged and freed under one that does.
    """
    modules = [require(f"pycocotools.{name}", "computing AP") for name in ("coco", "cocoeval")]
    with _quiet_lock:
        for module in modules:
            vars(module)["print"] = lambda *args, **kwargs: None
        try:
            yield
        finally:
            for module in modules:
                del vars(module)["print"]
