"""The images on which a model differs most from the reference.

An image ranks first by the number of confident detections that only one of the two has, then by how far the pairs are
apart: the sum, over the pairs, of 1 - mask IoU and of the difference between the two scores.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from yolact_deploy.benchmarks.accuracy.dataset import DataImage
from yolact_deploy.benchmarks.accuracy.difference_pictures import Pictures, draw_pictures
from yolact_deploy.benchmarks.accuracy.image_results import ImageResult
from yolact_deploy.benchmarks.accuracy.parity import match_image

PICTURES_PER_MODEL = 3
LEAST_DIFFERENCE = 0.005  # of an image without unmatched detections, by the measure above: below, nothing is to be seen


@dataclass(frozen=True)
class ImageDifference:
    """How far two models are apart on one image. Confident: of score >= parity.MATCH_SCORE."""

    image_id: int
    file_name: str
    missing: int  # confident detections of the reference that the model lacks
    extra: int  # confident detections of the model that the reference lacks
    matched: int  # pairs
    min_mask_iou: float | None  # of the pairs; None when there are none
    max_score_difference: float | None
    distance: float  # of the pairs, see above
    pictures: Pictures | None = None

    @property
    def is_visible(self) -> bool:
        """Whether a picture can show it."""
        return self.missing + self.extra > 0 or self.distance >= LEAST_DIFFERENCE


def image_difference(image: DataImage, reference: ImageResult, model: ImageResult) -> ImageDifference:
    """Compare what two models found in `image`."""
    matches = match_image(reference, model)
    scores = [abs(float(reference.scores[i]) - float(model.scores[j])) for i, j in matches.pairs]
    return ImageDifference(
        image_id=image.id,
        file_name=image.path.name,
        missing=len(matches.missing),
        extra=len(matches.extra),
        matched=len(matches.pairs),
        min_mask_iou=min(matches.mask_ious, default=None),
        max_score_difference=max(scores, default=None),
        distance=float(np.sum(scores) + np.sum(1 - np.asarray(matches.mask_ious))),
    )


def largest_differences(
    images: Sequence[DataImage],
    reference: Sequence[ImageResult],
    model: Sequence[ImageResult],
    class_names: Sequence[str],
) -> tuple[ImageDifference, ...]:
    """The images that differ most, the worst first, with pictures: at most PICTURES_PER_MODEL of those that differ
    visibly. Where none does, the one that differs most, without pictures; nothing when there is no difference at all.

    `reference` and `model` are the results of `images`, in the same order. Raises DataError for an unreadable image.
    """
    differences = [image_difference(*item) for item in zip(images, reference, model, strict=True)]
    ranked = sorted(
        range(len(images)),
        key=lambda index: (differences[index].missing + differences[index].extra, differences[index].distance),
        reverse=True,
    )
    visible = [index for index in ranked if differences[index].is_visible][:PICTURES_PER_MODEL]
    if not visible:
        return tuple(differences[index] for index in ranked[:1] if differences[index].distance > 0)
    return tuple(
        _with_pictures(differences[index], images[index], reference[index], model[index], class_names)
        for index in visible
    )


def _with_pictures(
    difference: ImageDifference, image: DataImage, reference: ImageResult, model: ImageResult, names: Sequence[str]
) -> ImageDifference:
    return replace(difference, pictures=draw_pictures(image.read(), reference, model, names))
