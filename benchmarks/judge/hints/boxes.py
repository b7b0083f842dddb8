"""Boxes that fit only after a change that all of them share: annotations turned, mirrored, scaled or shifted against
the pictures, and boxes that are all too large or too small because the network's input has another size than in
training.

Each change is tried on the annotated boxes. Its measure is the mean, over the objects, of the largest box IoU with a
detection of the object's class.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from yolact_deploy.benchmarks.accuracy.orientation import orientation_of
from yolact_deploy.benchmarks.judge.hints.evidence import MAX_IMAGES, MIN_OBJECTS, Evidence, Hint
from yolact_deploy.ops.boxes import pairwise_iou
from yolact_deploy.ops.matching import MATCH_SCORE

MIN_GAIN = 0.10  # of the measure: a healthy model's best change gains 0.01
MIN_SHIFT = 1.5  # px
MIN_SCALE = 1.04  # a healthy model's boxes are 1 % too large or small
NEAR_CENTRE = 0.25  # distance of two centres over the object's size: what still is the same object
SAME_SIZE = 1.2  # ratio of sides up to which two boxes may be the same, shifted
_BIN = 0.05  # width of a bin of logarithms, and of positions over the image's size, when pairs vote

Boxes = npt.NDArray[np.float64]
Change = Callable[[Boxes, int, int], Boxes]  # boxes [N,4], height and width of the image, px -> boxes [N,4]


@dataclass(frozen=True)
class View:
    """The objects and the confident detections of one image."""

    path_index: int
    height: int
    width: int
    objects: Boxes
    object_classes: npt.NDArray[np.int64]
    boxes: Boxes
    classes: npt.NDArray[np.int64]


@dataclass(frozen=True)
class Candidate:
    """A change that may explain why boxes do not fit."""

    cause: str
    words: str  # what the annotated boxes fit after
    change: Change


def _turn(transpose: bool, flip_x: bool, flip_y: bool) -> Change:
    def change(boxes: Boxes, height: int, width: int) -> Boxes:
        x1, y1, x2, y2 = boxes.T
        if transpose:
            x1, y1, x2, y2 = y1, x1, y2, x2
        if flip_x:
            x1, x2 = width - x2, width - x1
        if flip_y:
            y1, y2 = height - y2, height - y1
        return np.stack((x1, y1, x2, y2), axis=1)

    return change


TURNS = {
    "mirrored left to right": _turn(False, True, False),
    "mirrored top to bottom": _turn(False, False, True),
    "turned by 180 degrees": _turn(False, True, True),
    "turned by 90 degrees clockwise": _turn(True, True, False),
    "turned by 90 degrees anticlockwise": _turn(True, False, True),
    "mirrored along the diagonal, x and y exchanged": _turn(True, False, False),
    "mirrored along the other diagonal": _turn(True, True, True),
}


def box_hints(evidence: Evidence) -> list[Hint]:
    """The change that explains most, if any does; and the pictures whose EXIF tag explains it."""
    views = make_views(evidence)
    by_tag: dict[int, list[View]] = {}
    for view in views:
        tag = orientation_of(evidence.dataset.images[view.path_index].path)
        by_tag.setdefault(tag, []).append(view)
    turned = [Candidate("orientation", words, change) for words, change in TURNS.items()]
    for tag, group in by_tag.items():
        if tag != 1 and (best := _best(group, turned)):
            applies = evidence.dataset.images[group[0].path_index].applies_orientation
            return [
                Hint(
                    "EXIF orientation",
                    f"on the {len(group)} pictures with EXIF orientation {tag}, the annotated boxes fit when they are "
                    f"{best[0].words} ({best[1]}): pass --exif {'ignore' if applies else 'apply'}",
                )
            ]
    best = _best(views, [*turned, *_estimated(views, evidence.metadata.config.image_size)])
    if best is None:
        return []
    candidate, numbers = best
    if candidate.cause == "image size":
        return [Hint("image size", f"{candidate.words} ({numbers})")]
    advice = {
        "orientation": "were the pictures turned or mirrored after they were annotated?",
        "scale": "were the pictures scaled after they were annotated?",
        "box shift": "were the pictures cropped or padded after they were annotated?",
    }[candidate.cause]
    text = f"the annotated boxes fit when they are {candidate.words} ({numbers}): {advice}"
    return [Hint(candidate.cause, text)]


def make_views(evidence: Evidence) -> list[View]:
    """Of up to MAX_IMAGES images that have objects, spread over the data set."""
    pairing, truth = evidence.pairing, evidence.pairing.truth
    with_objects = np.flatnonzero(np.diff(truth.first))
    chosen = with_objects[:: max(1, -(-len(with_objects) // MAX_IMAGES))]
    starts = np.searchsorted(pairing.images, np.arange(len(truth.image_ids) + 1))
    views = []
    for image in chosen.tolist():
        here = truth.of_image(image)
        objects = np.arange(here.start, here.stop)[~truth.is_crowd[here]]
        found = np.arange(starts[image], starts[image + 1])
        found = found[pairing.scores[found] >= MATCH_SCORE]
        height, width = truth.sizes[image].tolist()
        boxes, classes = pairing.boxes[found], pairing.classes[found]
        views.append(View(image, height, width, truth.boxes[objects], truth.classes[objects], boxes, classes))
    return views


def _best(views: Sequence[View], candidates: Sequence[Candidate]) -> tuple[Candidate, str] | None:
    """The candidate that gains most over the boxes as they are, with its numbers in words; None: none gains enough."""
    if sum(len(view.objects) for view in views) < MIN_OBJECTS:
        return None
    plain = fit(views, lambda boxes, height, width: boxes)
    scored = [(fit(views, candidate.change), candidate) for candidate in candidates]
    if not scored:
        return None
    value, best = max(scored, key=lambda item: item[0])  # the first of equal ones: the simplest
    if value - plain < MIN_GAIN:
        return None
    return best, f"mean box IoU {value:.2f}, not {plain:.2f}"


def fit(views: Sequence[View], change: Change) -> float:
    """The measure of a change, 0..1."""
    total, count = 0.0, 0
    for view in views:
        count += len(view.objects)
        if len(view.objects) and len(view.boxes):
            ious = pairwise_iou(change(view.objects, view.height, view.width), view.boxes)
            total += float(np.where(view.object_classes[:, None] == view.classes, ious, 0).max(axis=1).sum())
    return total / max(count, 1)


def _estimated(views: Sequence[View], image_size: int) -> list[Candidate]:
    """Changes whose numbers pairs of an object and a detection of its class vote for."""
    pairs = [_pairs(view) for view in views if len(view.objects) and len(view.boxes)]
    if not pairs:
        return []
    object_boxes, boxes = (np.concatenate(column) for column in zip(*pairs, strict=True))
    sides, found_sides = object_boxes[:, 2:] - object_boxes[:, :2], boxes[:, 2:] - boxes[:, :2]
    centres, found_centres = (object_boxes[:, 2:] + object_boxes[:, :2]) / 2, (boxes[:, 2:] + boxes[:, :2]) / 2
    ratios = np.log(np.maximum(found_sides, 1e-9) / np.maximum(sides, 1e-9))  # [P,2]
    made = []
    is_near = (np.abs(found_centres - centres) < NEAR_CENTRE * np.sqrt(sides * found_sides)).all(axis=1)
    grown = _mode(ratios[is_near], _BIN)
    if grown is not None and np.abs(grown).min() > np.log(MIN_SCALE) and np.ptp(grown) < 2 * _BIN:
        made.append(_grown(float(np.exp(grown.mean())), image_size))
    places = np.log(np.maximum(found_centres, 1e-9) / np.maximum(centres, 1e-9))
    scale = _mode(((ratios + places) / 2)[(np.abs(ratios - places) < 2 * _BIN).all(axis=1)], _BIN)
    if scale is not None and np.abs(scale).max() > np.log(MIN_SCALE):
        made.append(_scaled(*np.exp(scale).tolist()))
    is_same = (np.abs(ratios) < np.log(SAME_SIZE)).all(axis=1)
    shift = _mode((found_centres - centres)[is_same], 4.0)
    if shift is not None and np.abs(shift).max() > MIN_SHIFT:
        made.append(_shifted(*shift.tolist()))
    return made


def _pairs(view: View) -> tuple[Boxes, Boxes]:
    """Every object with every detection of its class, [P,4] each."""
    rows, columns = np.nonzero(view.object_classes[:, None] == view.classes)
    return view.objects[rows], view.boxes[columns]


def _mode(points: Boxes, width: float) -> npt.NDArray[np.float64] | None:
    """Where points [P,2] are densest: the median of those around the fullest cell of `width`. None: too few."""
    if len(points) < MIN_OBJECTS:
        return None
    cells, counts = np.unique(np.round(points / width), axis=0, return_counts=True)
    centre = cells[counts.argmax()] * width
    for _ in range(2):
        near = points[(np.abs(points - centre) <= 1.5 * width).all(axis=1)]
        centre = np.median(near, axis=0) if len(near) else centre
    return centre if len(near) >= MIN_OBJECTS else None


def _grown(ratio: float, image_size: int) -> Candidate:
    def change(boxes: Boxes, height: int, width: int) -> Boxes:
        centres, halves = (boxes[:, :2] + boxes[:, 2:]) / 2, (boxes[:, 2:] - boxes[:, :2]) / 2 * ratio
        return np.concatenate((centres - halves, centres + halves), axis=1).clip(0, (width, height, width, height))

    words = (
        f"the model's boxes are {ratio:.2g} times as large as the annotated ones, around the same centres: was it "
        f"trained with an image_size of about {image_size / ratio:.0f}, not {image_size}?"
    )
    return Candidate("image size", words, change)


def _scaled(x: float, y: float) -> Candidate:
    words = f"scaled by {x:.2g}" if abs(x / y - 1) < _BIN else f"scaled by {x:.2g} in x and {y:.2g} in y"
    return Candidate("scale", words, lambda boxes, height, width: boxes * np.array((x, y, x, y)))


def _shifted(x: float, y: float) -> Candidate:
    return Candidate(
        "box shift", f"shifted by {shift_text(x, y)}", lambda boxes, height, width: boxes + np.array((x, y, x, y))
    )


def shift_text(x: float, y: float) -> str:
    """ "12 px to the right and 3 px up"."""
    parts = [f"{abs(x):.0f} px to the {'right' if x > 0 else 'left'}"] if round(abs(x)) else []
    parts += [f"{abs(y):.0f} px {'down' if y > 0 else 'up'}"] if round(abs(y)) else []
    return " and ".join(parts) or "less than 1 px"
