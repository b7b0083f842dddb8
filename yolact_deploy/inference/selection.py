"""Which detections count."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..config.class_names import close_names
from ..errors import ConfigError
from ..types import FloatArray, NetworkDetections

if TYPE_CHECKING:
    from ..predictor import Predictor

_INDEX_DIGITS = 10  # of an index; more cannot be one


@dataclass(frozen=True)
class Selection:
    """What is asked for, of an image's detections."""

    score: float | FloatArray = 0.0  # lowest box score, of all classes or of each [C]
    classes: frozenset[int] | None = None  # indices; None: all
    max_detections: int | None = None  # the best of those; None: all

    def of(self, found: NetworkDetections) -> NetworkDetections:
        """The detections of `found` that count, still best first."""
        found = found.above(self.score)
        if self.classes is not None:
            found = found[np.isin(found.classes, sorted(self.classes))]
        return found[: self.max_detections]


def select(
    predictor: Predictor, default: float = 0.0, classes: str | None = None, max_detections: int | None = None
) -> Selection:
    """What is asked for of the detections of a model. default: see `Predictor.lowest_scores`; classes: see
    `parse_classes`; None: all. Raises ConfigError."""
    wanted = None if classes is None else parse_classes(classes, predictor.metadata.config.class_names)
    return Selection(predictor.lowest_scores(default), wanted, max_detections)


def parse_classes(text: str, class_names: Sequence[str]) -> frozenset[int]:
    """Class indices from names or indices with commas, such as "cat,dog" or "15,16"; a name wins over an index, and a
    longer name over a shorter, should one hold commas itself.

    Raises ConfigError, with the valid names, for one that the model does not have.
    """
    by_name = {name.casefold(): index for index, name in reversed(list(enumerate(class_names)))}
    parts = text.split(",")
    found = set()
    start = 0
    while start < len(parts):
        for stop in range(len(parts), start, -1):
            word = ",".join(parts[start:stop]).strip()
            if word.casefold() in by_name:
                found.add(by_name[word.casefold()])
                break
        else:
            found.add(_class_index(word, class_names))
        start = stop
    return frozenset(found)


def _class_index(word: str, class_names: Sequence[str]) -> int:
    if word.isascii() and word.isdigit() and len(word) < _INDEX_DIGITS and int(word) < len(class_names):
        return int(word)
    raise ConfigError(
        f"--classes: the model has no class {word!r}; {close_names(word, class_names)} "
        f"or indices 0 to {len(class_names) - 1}"
    )
