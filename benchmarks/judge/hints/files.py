"""What the files of a data set tell without a model: boxes in another form, and pictures that are for training."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from yolact_deploy.benchmarks.accuracy.dataset import Dataset
from yolact_deploy.benchmarks.accuracy.layout import ROBOFLOW, bare_name, names_training
from yolact_deploy.benchmarks.judge.hints.evidence import MIN_OBJECTS, Evidence, Hint
from yolact_deploy.benchmarks.judge.truth import Truth
from yolact_deploy.dependencies import require
from yolact_deploy.ops.boxes import pairwise_iou

MAX_MASKS = 200  # whose extents are compared with their boxes
POOR, GOOD = 0.6, 0.85  # mean IoU of boxes and the extents of their masks: as they are, and read in another way
_MAX_SIBLING_BYTES = 256 << 20  # 256 MiB: of annotations for training that lie beside
_ROBOFLOW_HASH = re.compile(r"\.rf\.[0-9a-f]{16,}(?=\.)")  # a picture's name is the same before it, in every part

Boxes = npt.NDArray[np.float64]

# How a box [N,4] that was written in another form comes out when it is read as x, y, width, height -> x1 y1 x2 y2.
_READINGS: dict[str, Callable[[Boxes], Boxes]] = {
    "x1, y1, x2, y2": lambda box: box,
    "centre x, centre y, width, height": lambda box: np.concatenate(
        (box[:, :2] - box[:, 2:] / 2, box[:, :2] + box[:, 2:] / 2), axis=1
    ),
    "y, x, height, width": lambda box: np.stack(
        (box[:, 1], box[:, 0], box[:, 1] + box[:, 3], box[:, 0] + box[:, 2]), axis=1
    ),
}


def file_hints(evidence: Evidence) -> list[Hint]:
    """All of them."""
    return [*box_form_hints(evidence.pairing.truth), *training_hints(evidence.dataset)]


def box_form_hints(truth: Truth) -> list[Hint]:
    """Boxes that do not fit the extents of their own masks, and would in another reading."""
    chosen = np.flatnonzero(~truth.is_crowd)
    chosen = chosen[:: max(1, -(-len(chosen) // MAX_MASKS))]
    if len(chosen) < MIN_OBJECTS:
        return []
    coding = require("pycocotools.mask", "judging annotations")
    extents = np.array([coding.toBbox(truth.rle(index)) for index in chosen.tolist()])
    extents[:, 2:] += extents[:, :2]
    boxes = truth.boxes[chosen]
    if _agreement(boxes, extents) > POOR:
        return []
    written = np.concatenate((boxes[:, :2], boxes[:, 2:] - boxes[:, :2]), axis=1)
    sizes = np.tile(truth.sizes[truth.images[chosen]][:, ::-1], 2)
    readings = {form: reading(written) for form, reading in _READINGS.items()}
    if written.max() <= 1.5:
        readings["shares of the picture's width and height"] = boxes * sizes
    form = max(readings, key=lambda name: _agreement(readings[name], extents))
    if _agreement(readings[form], extents) < GOOD:
        return []
    return [
        Hint(
            "box form",
            f"the annotated boxes do not fit their own masks; they would if bbox were {form}: COCO's is x, y, width, "
            "height in px",
        )
    ]


def _agreement(boxes: Boxes, extents: Boxes) -> float:
    """Mean IoU of pairs [N,4]."""
    return float(
        np.mean([pairwise_iou(box[None], extent[None])[0, 0] for box, extent in zip(boxes, extents, strict=True)])
    )


def training_hints(dataset: Dataset) -> list[Hint]:
    """Pictures for training, as far as names tell: of folders and files, or the same picture in a part for training."""
    advice = "accuracy on pictures of the training says nothing about others"
    folders = [dataset.annotation_file.stem, dataset.annotation_file.parent.name, dataset.folder.name]
    told = next((name for name in folders if names_training(name)), None)
    if told is not None:
        return [Hint("training pictures", f"the name {told} says that these are pictures for training: {advice}")]
    categories = {category.name.casefold() for category in dataset.categories}
    named = [image for image in dataset.images if names_training(_place(image.path, dataset.folder))]
    if named and "train" not in categories:
        count = f"{len(named)} of {len(dataset.images)} pictures are named for training ({named[0].path.name})"
        return [Hint("training pictures", f"{count}: {advice}")]
    for sibling in _siblings(dataset.annotation_file):
        names = _file_names(sibling)
        shared = [image for image in dataset.images if original_name(image.path.name) in names]
        if shared:
            count = f"{len(shared)} of {len(dataset.images)} pictures are in {sibling}, too ({shared[0].path.name})"
            return [Hint("training pictures", f"{count}: {advice}")]
    return []


def _place(path: Path, folder: Path) -> str:
    """The path inside the data folder."""
    resolved = path.resolve()
    return str(resolved.relative_to(folder)) if resolved.is_relative_to(folder) else path.name


def original_name(name: str) -> str:
    """A picture's name before Roboflow added a hash of its own to each copy."""
    return _ROBOFLOW_HASH.sub("", bare_name(name))


def _siblings(annotations: Path) -> list[Path]:
    """Files of annotations beside that are for training."""
    beside = [path for path in annotations.parent.glob("*.json") if names_training(path.stem)]
    parts = [path for path in annotations.parent.parent.glob(f"*/{ROBOFLOW}") if names_training(path.parent.name)]
    return sorted({*beside, *(parts if annotations.name == ROBOFLOW else ())} - {annotations})


def _file_names(path: Path) -> set[str]:
    """The pictures of a file of annotations; nothing where it cannot be read."""
    try:
        if path.stat().st_size > _MAX_SIBLING_BYTES:
            return set()
        images = json.loads(path.read_text(encoding="utf-8-sig")).get("images", [])
        return {original_name(item["file_name"]) for item in images}
    except (OSError, ValueError, RecursionError, LookupError, TypeError, AttributeError):
        return set()
