"""Is a model still the model that it was made from? AP differences, matched detections, and the gate on both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import numpy.typing as npt

from yolact_deploy.artifacts.tolerances import GATES, Gate
from yolact_deploy.benchmarks.accuracy.average_precision import NOT_AVAILABLE, Accuracy
from yolact_deploy.benchmarks.accuracy.image_results import ImageResult
from yolact_deploy.dependencies import require
from yolact_deploy.errors import YolactDeployError
from yolact_deploy.ops.matching import MATCH_SCORE, match_detections
from yolact_deploy.types import FloatArray, IntArray

POINT = 0.01  # one point of AP


@dataclass(frozen=True)
class Matches:
    """Detections that reference and model have in common.

    Counted both ways: the reference's detections of score >= 0.15 looked up among all of the model's, and the model's
    among all of the reference's, so that one that scores just beside 0.15 is no false alarm.
    """

    matched: int  # both directions together
    total: int  # detections looked up, both directions together
    mean_mask_iou: float | None  # of the matched pairs; None when there are none

    @property
    def rate(self) -> float | None:
        """0..1; None when neither model detects anything."""
        return self.matched / self.total if self.total else None


@dataclass(frozen=True)
class Parity:
    """A model compared with the reference."""

    box_difference: float | None  # AP of the model - AP of the reference, points; None: the data set has no objects
    mask_difference: float | None
    matches: Matches


@dataclass(frozen=True)
class Verdict:
    """Whether the gate lets the model pass."""

    gate: Gate
    failures: tuple[str, ...]  # one line for each criterion that is not met, with both numbers
    not_judged: str = ""  # why there is nothing to judge, though nothing failed; empty when there is

    @property
    def passed(self) -> bool:
        """Whether there was something to judge and every criterion is met."""
        return not self.failures and not self.not_judged

    @property
    def word(self) -> str:
        """ "pass", "FAIL" or "not judged"."""
        return "FAIL" if self.failures else "not judged" if self.not_judged else "pass"


def gate_for(precision: str, max_ap_difference: float | None = None, min_match_rate: float | None = None) -> Gate:
    """The gate of a precision, its numbers replaced by those that are given.

    Raises YolactDeployError for a number that makes no sense. An unknown precision is held to fp32.
    """
    gate = GATES.get(precision, GATES["fp32"])
    if max_ap_difference is not None:
        if not max_ap_difference >= 0:
            raise YolactDeployError(f"AP tolerance {max_ap_difference}: points, 0 or more")
        gate = replace(gate, max_ap_difference=max_ap_difference)
    if min_match_rate is not None:
        if not 0 <= min_match_rate <= 1:
            raise YolactDeployError(f"match rate {min_match_rate}: between 0 and 1")
        gate = replace(gate, min_match_rate=min_match_rate)
    return gate


def compare(
    reference: Sequence[ImageResult], model: Sequence[ImageResult], reference_ap: Accuracy, model_ap: Accuracy
) -> Parity:
    """Differences between the results of two models on the same images, in the same order."""
    return Parity(
        box_difference=_points_between(reference_ap.box.ap, model_ap.box.ap),
        mask_difference=_points_between(reference_ap.mask.ap, model_ap.mask.ap),
        matches=match_results(reference, model),
    )


def judge(parity: Parity, gate: Gate) -> Verdict:
    """Hold `parity` to `gate`. What is not a number fails."""
    failures = []
    for kind, difference in (("box", parity.box_difference), ("mask", parity.mask_difference)):
        limit = gate.max_ap_difference
        # Written so that NaN fails.
        if difference is not None and limit is not None and not abs(difference) <= limit:
            failures.append(f"{kind} AP differs by {difference:+.3f} points, allowed are {limit:g}")
    rate = parity.matches.rate
    if gate.min_match_rate is not None and rate is not None and not rate >= gate.min_match_rate:
        failures.append(f"{rate:.2%} of the detections match, required are {gate.min_match_rate:.2%}")
    return Verdict(gate, tuple(failures), "" if failures else _nothing_to_judge(parity))


def _nothing_to_judge(parity: Parity) -> str:
    """Why equal numbers would prove nothing; empty when they do."""
    if parity.matches.rate is None:
        return f"neither the reference nor the model detects anything with a score of {MATCH_SCORE:g} or more"
    if parity.box_difference is None or parity.mask_difference is None:
        return "the data set has no object that counts for AP (crowd regions do not): add annotations"
    return ""


@dataclass(frozen=True)
class ImageMatches:
    """The detections of one image that two models have in common, counted as `Matches` counts them."""

    pairs: tuple[tuple[int, int], ...]  # index in the reference, index in the model
    mask_ious: tuple[float, ...]  # of each pair
    missing: tuple[int, ...]  # confident detections of the reference that the model lacks
    extra: tuple[int, ...]  # confident detections of the model that the reference lacks
    total: int  # detections looked up, both directions together


def match_image(reference: ImageResult, model: ImageResult) -> ImageMatches:
    """Pair the detections of two models on one image; see `matching.match_detections`.

    Boxes are compared before they are made whole pixels: one pixel is a tenth of a small object. Raises ValueError for
    results of different images.
    """
    if reference.image_id != model.image_id:
        raise ValueError(f"results of different images: {reference.image_id} and {model.image_id}")
    forward, missing = look_up(reference, model)
    backward, extra = look_up(model, reference)
    pairs = tuple(sorted({*forward, *((i, j) for j, i in backward)}))
    return ImageMatches(
        pairs=pairs,
        mask_ious=tuple(_mask_iou(reference, i, model, j) for i, j in pairs),
        missing=missing,
        extra=extra,
        total=len(forward) + len(missing) + len(backward) + len(extra),
    )


def match_results(reference: Sequence[ImageResult], model: Sequence[ImageResult]) -> Matches:
    """`match_image` over the same images, in the same order."""
    images = [match_image(*results) for results in zip(reference, model, strict=True)]
    mask_ious = [iou for image in images for iou in image.mask_ious]
    total = sum(image.total for image in images)
    unmatched = sum(len(image.missing) + len(image.extra) for image in images)
    return Matches(total - unmatched, total, float(np.mean(mask_ious)) if mask_ious else None)


class Detected(Protocol):
    """What is needed to look detections up."""

    @property
    def classes(self) -> IntArray:
        """[D]"""
        ...

    @property
    def scores(self) -> FloatArray:
        """[D]"""
        ...

    @property
    def exact_boxes(self) -> npt.NDArray[np.float64]:
        """[D,4] px"""
        ...


def look_up(wanted: Detected, among: Detected) -> tuple[list[tuple[int, int]], tuple[int, ...]]:
    """The detections of `wanted` that score enough: those paired with any of `among`, and those without a partner."""
    indices = np.flatnonzero(wanted.scores >= MATCH_SCORE)
    found = match_detections(wanted.classes[indices], wanted.exact_boxes[indices], among.classes, among.exact_boxes)
    pairs = [(int(indices[i]), int(j)) for i, j in found]
    paired = {i for i, _ in pairs}
    return pairs, tuple(int(index) for index in indices if int(index) not in paired)


def _points_between(reference_ap: float, model_ap: float) -> float | None:
    if reference_ap == NOT_AVAILABLE and model_ap == NOT_AVAILABLE:
        return None
    return (model_ap - reference_ap) / POINT


def _mask_iou(a: ImageResult, i: int, b: ImageResult, j: int) -> float:
    """Mask IoU of detection i of `a` and j of `b`; two empty masks are the same mask: 1."""
    if a.mask_counts[i] == b.mask_counts[j]:
        return 1.0
    coding = require("pycocotools.mask", "comparing detections")
    return float(coding.iou([a.rle(i)], [b.rle(j)], [0])[0, 0])
