"""Runs the model on changed pictures, where it finds little: does it find more when colours are exchanged, or when the
objects are larger or smaller? Each object is its own comparison: the best score of a detection that fits it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from yolact_deploy.benchmarks.accuracy.dataset import DataImage
from yolact_deploy.benchmarks.judge.hints.evidence import MIN_OBJECTS, Evidence, Hint
from yolact_deploy.ops.boxes import boxes_in_pixels, pairwise_iou
from yolact_deploy.predictor import Predictor
from yolact_deploy.types import Image, NetworkDetections

MAX_IMAGES = 24  # that are run again for each change
FAIR = 0.6  # mean best score per object from which nothing is to be explained
MIN_GAIN_COLOURS, MIN_GAIN_SIZE = 0.05, 0.15  # of that mean: healthy models gain up to 0.01 and 0.10
MIN_CERTAINTY = 3.5  # standard errors of the mean gain
SHRUNK = (0.7, 0.5, 0.35)  # of the picture, on a canvas of the old size
ENLARGED = (1.4, 2.0, 2.8)
GREY = 114  # of the canvas

Boxes = npt.NDArray[np.float64]
Detect = Callable[[Image], NetworkDetections]


@dataclass(frozen=True)
class Scene:
    """A picture and its objects, as they are shown to the model."""

    pixels: Image
    boxes: Boxes  # [N,4] x1 y1 x2 y2, px
    classes: npt.NDArray[np.int64]  # [N] of the model
    ids: tuple[int, ...]  # [N] the object in the data set


def probe_hints(evidence: Evidence, predictor: Predictor) -> list[Hint]:
    """Nothing where the model finds its objects with good scores."""
    scenes = _scenes(evidence)

    def detect(image: Image) -> NetworkDetections:
        return predictor.detect([image])[0]

    if len({number for scene in scenes for number in scene.ids}) < MIN_OBJECTS:
        return []
    plain = best_scores(scenes, detect)
    if np.mean(list(plain.values())) >= FAIR:
        return []
    return [*_colours(scenes, plain, detect), *_sizes(scenes, plain, detect, evidence.metadata.config.image_size)]


def _scenes(evidence: Evidence) -> list[Scene]:
    """Up to MAX_IMAGES pictures with objects, spread over the data set."""
    truth = evidence.pairing.truth
    numbers = {number: index for index, number in enumerate(evidence.category_ids) if number is not None}
    with_objects = np.flatnonzero(np.diff(truth.first))
    chosen = with_objects[:: max(1, -(-len(with_objects) // MAX_IMAGES))]
    made = []
    for row in chosen.tolist():
        here = truth.of_image(row)
        objects = np.arange(here.start, here.stop)[~truth.is_crowd[here]]
        classes = np.array([numbers[truth.categories[index].id] for index in truth.classes[objects]], np.int64)
        image: DataImage = evidence.dataset.images[row]
        made.append(Scene(image.read(), truth.boxes[objects], classes, tuple(objects.tolist())))
    return made


def best_scores(scenes: Sequence[Scene], detect: Detect) -> dict[int, float]:
    """For each object that is shown, the best score of a detection of its class that fits it, 0 where there is none."""
    best: dict[int, float] = {}
    for scene in scenes:
        found = detect(scene.pixels)
        ious = pairwise_iou(scene.boxes, boxes_in_pixels(found.boxes, *scene.pixels.shape[:2]).astype(np.float64))
        fits = (ious >= 0.5) & (scene.classes[:, None] == found.classes)
        scores = np.where(fits, found.scores, 0).max(axis=1, initial=0)
        for number, score in zip(scene.ids, scores.tolist(), strict=True):
            best[number] = max(score, best.get(number, 0.0))
    return best


def _gain(plain: dict[int, float], changed: dict[int, float]) -> tuple[float, float]:
    """Mean gain per object that both show, and how many standard errors that is."""
    gains = np.array([changed[number] - plain[number] for number in changed])
    if len(gains) < MIN_OBJECTS:
        return 0.0, 0.0
    return float(gains.mean()), float(gains.mean() / (gains.std() / np.sqrt(len(gains)) + 1e-9))


def _colours(scenes: Sequence[Scene], plain: dict[int, float], detect: Detect) -> list[Hint]:
    swapped = [
        Scene(np.ascontiguousarray(scene.pixels[..., ::-1]), scene.boxes, scene.classes, scene.ids) for scene in scenes
    ]
    after = best_scores(swapped, detect)
    gain, certainty = _gain(plain, after)
    if gain < MIN_GAIN_COLOURS or certainty < MIN_CERTAINTY:
        return []
    return [
        Hint(
            "channel order",
            f"with red and blue exchanged, objects are found with a mean score of {_mean(after):.2f}, not "
            f"{_mean(plain):.2f}: are the channels in the wrong order, in the pictures or in training?",
        )
    ]


def _sizes(scenes: Sequence[Scene], plain: dict[int, float], detect: Detect, image_size: int) -> list[Hint]:
    """The factor by which objects have to be larger or smaller, if one helps much."""
    changed = {factor: [shrunk(scene, factor) for scene in scenes] for factor in SHRUNK}
    changed |= {factor: [part for scene in scenes for part in enlarged(scene, factor)] for factor in ENLARGED}
    gains = {}
    for factor, shown in changed.items():
        after = best_scores(shown, detect)
        gains[factor] = (*_gain(plain, after), after)
    factor = max(gains, key=lambda item: gains[item][0])
    gain, certainty, after = gains[factor]
    if gain < MIN_GAIN_SIZE or certainty < MIN_CERTAINTY:
        return []
    before = float(np.mean([plain[number] for number in after]))
    return [
        Hint(
            "image size",
            f"with pictures shown at {factor:g} times their size, objects are found with a mean score of "
            f"{_mean(after):.2f}, not {before:.2f}: was the model trained with "
            f"{'a larger' if factor > 1 else 'a smaller'} image_size than {image_size}?",
        )
    ]


def _mean(scores: dict[int, float]) -> float:
    return float(np.mean(list(scores.values())))


def shrunk(scene: Scene, factor: float) -> Scene:
    """The picture at `factor` of its size, in the upper left corner of a grey canvas."""
    height, width = scene.pixels.shape[:2]
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    canvas = np.full_like(scene.pixels, GREY)
    canvas[: size[1], : size[0]] = cv2.resize(scene.pixels, size, interpolation=cv2.INTER_AREA)
    scales = np.array((size[0] / width, size[1] / height) * 2)
    return Scene(canvas, scene.boxes * scales, scene.classes, scene.ids)


def enlarged(scene: Scene, factor: float) -> list[Scene]:
    """Windows of the picture at `factor` of their size, with the objects that lie wholly inside: the corners and the
    middle."""
    height, width = scene.pixels.shape[:2]
    rows, columns = max(1, round(height / factor)), max(1, round(width / factor))
    parts = []
    for down, right in ((0, 0), (0, 1), (1, 0), (1, 1), (0.5, 0.5)):
        top, left = int((height - rows) * down), int((width - columns) * right)
        boxes = scene.boxes - (left, top, left, top)
        inside = (boxes[:, :2] >= 0).all(axis=1) & (boxes[:, 2] <= columns) & (boxes[:, 3] <= rows)
        if inside.any():
            window = scene.pixels[top : top + rows, left : left + columns]
            pixels = np.asarray(cv2.resize(window, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)
            scales = np.array((width / columns, height / rows) * 2)
            ids = tuple(number for number, is_in in zip(scene.ids, inside, strict=True) if is_in)
            parts.append(Scene(pixels, boxes[inside] * scales, scene.classes[inside], ids))
    return parts
