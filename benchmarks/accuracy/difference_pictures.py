"""What two models found in one image, drawn side by side: the reference, the model, and where they differ."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from yolact_deploy.benchmarks.accuracy.image_results import ImageResult
from yolact_deploy.benchmarks.accuracy.parity import ImageMatches, match_image
from yolact_deploy.dependencies import require
from yolact_deploy.draw import WHITE, Colour, draw_detections
from yolact_deploy.types import BoolArray, Detections, Image

MAX_SIDE = 480  # px of a picture's longer side; smaller images stay as they are
JPEG_QUALITY = 82
# Of draw.PALETTE, told apart with every kind of colour blindness; report.css has the same.
ONLY_REFERENCE: Colour = (178, 114, 0)  # blue
ONLY_MODEL: Colour = (0, 159, 230)  # orange
OTHER_CLASS: Colour = WHITE  # both have the pixel, as different classes
_DIMMED, _AGREED = 0.45, 0.8  # brightness of the grey image outside masks, and where both agree
_LEAST_SPOT = 5  # px: a single differing pixel is drawn as large as this


@dataclass(frozen=True)
class Pictures:
    """Three JPEG files of one size as data URIs."""

    reference: str
    model: str
    difference: str
    width: int  # px
    height: int
    only_reference: int  # pixels of the image, before it was scaled down, that only the reference gives this class
    only_model: int


def draw_pictures(image: Image, reference: ImageResult, model: ImageResult, class_names: Sequence[str]) -> Pictures:
    """Draw the confident detections of both on `image` (uint8 [H,W,3] BGR), and those that they are paired with."""
    matches = match_image(reference, model)
    ours = sorted({*matches.missing, *(i for i, _ in matches.pairs)})
    theirs = sorted({*matches.extra, *(j for _, j in matches.pairs)})
    only_reference, only_model = _differing_pixels(reference, ours, model, theirs)
    agreed = (_union(reference, ours) | _union(model, theirs)) & ~only_reference & ~only_model
    small, scale = shrunk_image(image)
    size = (small.shape[1], small.shape[0])
    difference = _draw_difference(small, *(_shrunk(mask, size) > 0 for mask in (agreed, only_reference, only_model)))
    _outline_unmatched(difference, reference, model, matches, scale)
    return Pictures(
        reference=jpeg_uri(draw_detections(small, shrunk_detections(reference, ours, size, scale), class_names)),
        model=jpeg_uri(draw_detections(small, shrunk_detections(model, theirs, size, scale), class_names)),
        difference=jpeg_uri(difference),
        width=size[0],
        height=size[1],
        only_reference=int(only_reference.sum()),
        only_model=int(only_model.sum()),
    )


def shrunk_image(image: Image) -> tuple[Image, float]:
    """The picture with no side above MAX_SIDE, and its scale."""
    scale = min(1.0, MAX_SIDE / max(image.shape[:2]))
    if scale == 1:
        return image, scale
    size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8), scale


def _differing_pixels(
    reference: ImageResult, ours: Sequence[int], model: ImageResult, theirs: Sequence[int]
) -> tuple[BoolArray, BoolArray]:
    """Pixels [H,W] where the reference has a class that the model lacks there, and the other way round."""
    only_reference = np.zeros((reference.height, reference.width), np.bool_, order="F")
    only_model = only_reference.copy(order="F")
    for index in sorted({*reference.classes[list(ours)].tolist(), *model.classes[list(theirs)].tolist()}):
        a = _union(reference, [i for i in ours if reference.classes[i] == index])
        b = _union(model, [j for j in theirs if model.classes[j] == index])
        only_reference |= a & ~b
        only_model |= b & ~a
    return only_reference, only_model


def _union(result: ImageResult, indices: Iterable[int]) -> BoolArray:
    """Pixels [H,W] of any of these detections."""
    return union([result.rle(index) for index in indices], result.height, result.width)


def union(runs: Sequence[Any], height: int, width: int) -> BoolArray:
    """Pixels [H,W] of any of these masks, column after column in memory, as run lengths are."""
    if not runs:
        return np.zeros((height, width), np.bool_, order="F")
    coding: Any = require("pycocotools.mask", "drawing detections")
    return coding.decode([coding.merge(list(runs))])[..., 0].view(np.bool_)


def _draw_difference(image: Image, agreed: BoolArray, only_reference: BoolArray, only_model: BoolArray) -> Image:
    grey = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
    canvas = np.where(agreed[..., None], grey * _AGREED + 255 * (1 - _AGREED), grey * _DIMMED).astype(np.uint8)
    for mask, colour in (
        (only_reference, ONLY_REFERENCE),
        (only_model, ONLY_MODEL),
        (only_reference & only_model, OTHER_CLASS),
    ):
        canvas[_enlarged(mask)] = colour
    return canvas


def _enlarged(mask: BoolArray) -> BoolArray:
    return cv2.dilate(mask.view(np.uint8), np.ones((_LEAST_SPOT, _LEAST_SPOT), np.uint8)).view(np.bool_)


def _outline_unmatched(
    canvas: Image, reference: ImageResult, model: ImageResult, matches: ImageMatches, scale: float
) -> None:
    """Boxes around detections without a partner, in place."""
    for result, indices, colour in (
        (reference, matches.missing, ONLY_REFERENCE),
        (model, matches.extra, ONLY_MODEL),
    ):
        for index in indices:
            x1, y1, x2, y2 = (round(float(value) * scale) for value in result.boxes[index])
            cv2.rectangle(canvas, (x1, y1), (x2, y2), colour, 2)


def _shrunk(mask: BoolArray, size: tuple[int, int]) -> npt.NDArray[np.uint8]:
    """A mask at another size (width, height): how much of a pixel is set, 0..255."""
    columns = np.ascontiguousarray(mask.T).view(np.uint8) * np.uint8(255)
    return np.asarray(cv2.resize(columns, size[::-1], interpolation=cv2.INTER_AREA).T, np.uint8)


def shrunk_detections(result: ImageResult, indices: Sequence[int], size: tuple[int, int], scale: float) -> Detections:
    """Some detections of an image, drawn smaller: size (width, height) in px is `scale` times the image's."""
    masks = np.zeros((len(indices), size[1], size[0]), np.bool_)
    for mask, index in zip(masks, indices, strict=True):
        mask[:] = _shrunk(_union(result, [index]), size) >= 128
    chosen = np.asarray(indices, np.int64)
    return Detections(
        boxes=np.rint(result.boxes[chosen] * scale).astype(np.int64),
        scores=result.scores[chosen],
        mask_scores=result.mask_scores[chosen],
        classes=result.classes[chosen],
        masks=masks,
    )


def jpeg_uri(image: Image) -> str:
    """A picture as a JPEG file in a data URI."""
    _, jpeg = cv2.imencode(".jpg", image, (cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY))
    return "data:image/jpeg;base64," + base64.b64encode(jpeg.tobytes()).decode("ascii")
