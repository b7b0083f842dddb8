"""The images with most errors, drawn: what is annotated, what the model found, and where it is wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from yolact_deploy.benchmarks.accuracy.classes import ClassMapping, class_titles
from yolact_deploy.benchmarks.accuracy.difference_pictures import jpeg_uri, shrunk_detections, shrunk_image, union
from yolact_deploy.benchmarks.accuracy.image_results import ImageResult
from yolact_deploy.benchmarks.judge.errors import missed_objects
from yolact_deploy.benchmarks.judge.hints.evidence import Evidence
from yolact_deploy.benchmarks.judge.pairing import Kind, Pairing
from yolact_deploy.benchmarks.judge.truth import Truth
from yolact_deploy.draw import Colour, draw_detections
from yolact_deploy.types import IntArray

MISSED = "missed"  # beside the names of Kind
COLOURS: dict[str, Colour] = {  # BGR, of draw.PALETTE; report.css has the same
    MISSED: (178, 114, 0),  # blue
    "false": (0, 94, 213),  # vermillion
    "wrong class": (167, 121, 204),  # reddish purple
    "duplicate": (66, 228, 240),  # yellow
    "poor box": (0, 159, 230),  # orange
    "poor mask": (115, 158, 0),  # bluish green
}
_MERGED = {Kind.WRONG_CLASS_AND_BOX: "false"}  # what a picture has no colour of its own for
MAX_IMAGES = 8  # the worst ones
MAX_PER_FILTER = 2  # at least, of each class and of each kind of error, where there are as many
_DIMMED, _FILL = 0.5, 0.45  # brightness of the grey picture, and opacity of a mask on it


@dataclass(frozen=True)
class WorstImage:
    """One image and its errors at the stated score."""

    file_name: str
    pairs: tuple[tuple[str, str], ...]  # class and kind of each error
    found: int
    objects: int
    truth: str  # JPEG files of one size as data URIs
    model: str
    errors: str
    width: int  # px, of each
    height: int

    @property
    def counts(self) -> dict[str, int]:
        """Kind of error -> how many."""
        kinds = [kind for _, kind in self.pairs]
        return {kind: kinds.count(kind) for kind in COLOURS if kind in kinds}


def kind_name(kind: int) -> str:
    """What people call a kind of error."""
    return _MERGED.get(Kind(kind), Kind(kind).name.lower().replace("_", " "))


def worst_images(evidence: Evidence) -> tuple[WorstImage, ...]:
    """The MAX_IMAGES images with most errors; then those that a class or a kind of error needs to be shown at all.

    Raises DataError for an unreadable image.
    """
    pairing, truth = evidence.pairing, evidence.pairing.truth
    shown = pairing.scores >= np.float32(evidence.score)
    missed = np.flatnonzero(missed_objects(pairing, shown))
    wrong = np.flatnonzero(shown & (pairing.kinds != Kind.FOUND) & (pairing.kinds != Kind.NOT_COUNTED))
    counts = np.bincount(pairing.images[wrong], minlength=len(truth.image_ids))
    counts += np.bincount(truth.images[missed], minlength=len(truth.image_ids))
    ranked = [int(image) for image in np.argsort(-counts, kind="stable") if counts[image]]
    chosen = ranked[:MAX_IMAGES]
    groups = [truth.images[missed], *(pairing.images[wrong[pairing.kinds[wrong] == kind]] for kind in Kind)]
    for index in range(len(truth.categories)):
        lost, mistaken = missed[truth.classes[missed] == index], wrong[pairing.classes[wrong] == index]
        groups += [np.concatenate((truth.images[lost], pairing.images[mistaken]))]
    for group in groups:
        members = set(group.tolist())
        lacking = MAX_PER_FILTER - len(members & set(chosen))
        chosen += [image for image in ranked if image in members and image not in chosen][: max(lacking, 0)]
    titles = class_titles(evidence.metadata.config, ClassMapping(evidence.category_ids, ()), truth.categories)
    return tuple(_draw(evidence, image, wrong, missed, shown, titles) for image in chosen)


def _draw(
    evidence: Evidence, image: int, wrong: IntArray, missed: IntArray, shown: np.ndarray, titles: Sequence[str]
) -> WorstImage:
    pairing, truth, result = evidence.pairing, evidence.pairing.truth, evidence.results[image]
    data = evidence.dataset.images[image]
    small, scale = shrunk_image(data.read())
    size = (small.shape[1], small.shape[0])
    annotated = _as_result(truth, image, evidence.category_ids)
    mine = wrong[pairing.images[wrong] == image]
    lost = missed[truth.images[missed] == image]
    kinds = [kind_name(kind) for kind in pairing.kinds[mine].tolist()]
    classes = [truth.categories[index].name for index in (*pairing.classes[mine], *truth.classes[lost])]
    here = np.flatnonzero(shown & (pairing.images == image))
    every = np.sort(pairing.places[here[pairing.kinds[here] != Kind.NOT_COUNTED]])
    objects = range(len(annotated))
    return WorstImage(
        file_name=data.path.name,
        pairs=tuple(zip(classes, (*kinds, *(MISSED for _ in lost)), strict=True)),
        found=int(np.sum(pairing.kinds[here] == Kind.FOUND)),
        objects=len(annotated),
        truth=jpeg_uri(draw_detections(small, shrunk_detections(annotated, objects, size, scale), titles)),
        model=jpeg_uri(draw_detections(small, shrunk_detections(result, every.tolist(), size, scale), titles)),
        errors=jpeg_uri(_draw_errors(small, pairing, result, mine, kinds, lost, scale)),
        width=size[0],
        height=size[1],
    )


def _as_result(truth: Truth, image: int, category_ids: Sequence[int | None]) -> ImageResult:
    """The objects of an image as if a model had found them with certainty."""
    here = truth.of_image(image)
    objects = np.arange(here.start, here.stop)[~truth.is_crowd[here]]
    classes = [category_ids.index(truth.categories[index].id) for index in truth.classes[objects].tolist()]
    height, width = truth.sizes[image].tolist()
    ones = np.ones(len(objects), np.float32)
    return ImageResult(
        image_id=truth.image_ids[image],
        height=height,
        width=width,
        boxes=np.rint(truth.boxes[objects]).astype(np.int64),
        exact_boxes=truth.boxes[objects],
        scores=ones,
        mask_scores=ones,
        classes=np.array(classes, np.int64),
        mask_counts=tuple(truth.rle(index)["counts"] for index in objects.tolist()),
    )


def _draw_errors(
    image: np.ndarray,
    pairing: Pairing,
    result: ImageResult,
    wrong: IntArray,
    kinds: Sequence[str],
    lost: IntArray,
    scale: float,
) -> np.ndarray:
    """On a grey picture: a coloured mask and box for every error, and for every missed object."""
    canvas = (cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR) * _DIMMED).astype(np.uint8)
    size = (image.shape[1], image.shape[0])
    items = [(pairing.truth.rle(index), pairing.truth.boxes[index], MISSED) for index in lost.tolist()]
    items += [
        (result.rle(int(pairing.places[index])), pairing.boxes[index], kind)
        for index, kind in zip(wrong.tolist(), kinds, strict=True)
    ]
    for rle, _, kind in items:
        mask = cv2.resize(union([rle], result.height, result.width).astype(np.uint8), size) > 0
        canvas[mask] = (canvas[mask] * (1 - _FILL) + np.array(COLOURS[kind]) * _FILL).astype(np.uint8)
    for _, box, kind in items:
        x1, y1, x2, y2 = (round(float(value) * scale) for value in box)
        cv2.rectangle(canvas, (x1, y1), (x2, y2), COLOURS[kind], 2)
    return canvas
