"""Masks that do not fit although boxes do: shifted, mirrored, or with rows and columns exchanged."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product

import numpy as np

from yolact_deploy.benchmarks.judge.hints.boxes import shift_text
from yolact_deploy.benchmarks.judge.hints.evidence import MIN_OBJECTS, Evidence, Hint
from yolact_deploy.dependencies import require
from yolact_deploy.types import BoolArray

MAX_PAIRS = 120  # that are decoded: more do not change a median
MIN_GAIN = 0.1  # of the mean mask IoU
FAIR = 0.5  # mean mask IoU that the change has to reach
MIN_SHIFT = 1.5  # px
_REFINED = 3  # px around the estimated shift


@dataclass(frozen=True)
class _Pair:
    """The masks [H,W] of an object and of the detection that has taken it, by its box."""

    annotated: BoolArray
    found: BoolArray


def mask_hints(evidence: Evidence) -> list[Hint]:
    """The change of the annotated masks that explains most, if any does."""
    pairs = _decoded_pairs(evidence)
    if len(pairs) < MIN_OBJECTS:
        return []
    plain = _fit(pairs, lambda mask: mask)
    changes: list[tuple[str, str, Callable[[BoolArray], BoolArray]]] = [
        ("mask mirrored", words, change) for words, change in _MIRRORS.items()
    ]
    shift = _estimated_shift(pairs)
    if shift is not None:
        changes.append(("mask shift", f"shifted by about {shift_text(*shift)}", lambda mask: shifted(mask, *shift)))
    fits = [(_fit(pairs, change), cause, words) for cause, words, change in changes]
    best, cause, words = max(fits, key=lambda item: item[0])
    if best - plain < MIN_GAIN or best < FAIR:
        return []
    numbers = f"mean mask IoU {best:.2f}, not {plain:.2f}"
    return [Hint(cause, f"boxes fit, masks do not: the annotated masks fit when they are {words} ({numbers})")]


def _decoded_pairs(evidence: Evidence) -> list[_Pair]:
    """Masks of detections that have taken an object, spread over the data set; none of them empty."""
    coding = require("pycocotools.mask", "judging masks")
    pairing = evidence.pairing
    taken = np.flatnonzero(pairing.has_object & (pairing.scores >= np.float32(evidence.score)))
    chosen = taken[:: max(1, -(-len(taken) // MAX_PAIRS))]
    pairs = []
    for index in chosen.tolist():
        result = evidence.results[int(pairing.images[index])]
        annotated = coding.decode(pairing.truth.rle(int(pairing.objects[index]))).view(np.bool_)
        found = coding.decode(result.rle(int(pairing.places[index]))).view(np.bool_)
        if annotated.any() and found.any():
            pairs.append(_Pair(annotated, found))
    return pairs


def _fit(pairs: list[_Pair], change: Callable[[BoolArray], BoolArray]) -> float:
    """Mean mask IoU after a change of the annotated masks."""
    ious = []
    for pair in pairs:
        changed = change(pair.annotated)
        ious.append((changed & pair.found).sum() / (changed | pair.found).sum())
    return float(np.mean(ious))


def _estimated_shift(pairs: list[_Pair]) -> tuple[int, int] | None:
    """x and y, px: the median distance of the masks' centres, refined by their IoU. None: no shift."""
    moved = np.median([_centre(pair.found) - _centre(pair.annotated) for pair in pairs], axis=0)
    around = range(-_REFINED, _REFINED + 1)
    x0, y0 = np.round(moved).astype(int).tolist()
    some = pairs[::4]
    x, y = max(
        ((x0 + x, y0 + y) for x, y in product(around, around)),
        key=lambda shift: _fit(some, lambda mask: shifted(mask, *shift)),
    )
    return (x, y) if max(abs(x), abs(y)) > MIN_SHIFT else None


def _centre(mask: BoolArray) -> np.ndarray:
    """x and y of the middle of a mask's extent: of its pixels' mean, a part that is cut off would move it."""
    y, x = np.nonzero(mask)
    return np.array((x.mean(), y.mean()))


def shifted(mask: BoolArray, x: int, y: int) -> BoolArray:
    """A mask [H,W] moved right and down, px; what leaves it is lost."""
    height, width = mask.shape
    moved = np.zeros_like(mask)
    if abs(x) < width and abs(y) < height:
        moved[max(y, 0) : height + min(y, 0), max(x, 0) : width + min(x, 0)] = mask[
            max(-y, 0) : height + min(-y, 0), max(-x, 0) : width + min(-x, 0)
        ]
    return moved


def _inside(flip: Callable[[BoolArray], BoolArray]) -> Callable[[BoolArray], BoolArray]:
    """`flip` of the smallest window that holds a mask, which keeps its place."""

    def change(mask: BoolArray) -> BoolArray:
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        window = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
        flipped = np.zeros_like(mask)
        flipped[window] = flip(mask[window])
        return flipped

    return change


def _exchanged(mask: BoolArray) -> BoolArray:
    """Run lengths that were written row by row, and are read column by column."""
    return mask.ravel(order="F").reshape(mask.shape)


_MIRRORS: dict[str, Callable[[BoolArray], BoolArray]] = {
    "mirrored left to right": lambda mask: mask[:, ::-1],
    "mirrored top to bottom": lambda mask: mask[::-1],
    "turned by 180 degrees": lambda mask: mask[::-1, ::-1],
    "read row by row (their run lengths go by rows, COCO's by columns)": _exchanged,
    "mirrored left to right inside their boxes": _inside(lambda mask: mask[:, ::-1]),
    "mirrored top to bottom inside their boxes": _inside(lambda mask: mask[::-1]),
    "turned by 180 degrees inside their boxes": _inside(lambda mask: mask[::-1, ::-1]),
}
