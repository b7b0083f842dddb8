"""Which detections count."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import ConfigError
from ..types import NetworkDetections

_NAMES_SHOWN = 12


@dataclass(frozen=True)
class Selection:
    """What is asked for, of an image's detections."""

    score: float = 0.0  # lowest box score
    classes: frozenset[int] | None = None  # indices; None: all
    max_detections: int | None = None  # the best of those; None: all

    def of(self, found: NetworkDetections) -> NetworkDetections:
        """The detections of `found` that count, still best first."""
        keep = found.scores >= self.score
        if self.classes is not None:
            keep &= np.isin(found.classes, sorted(self.classes))
        at = np.flatnonzero(keep)[: self.max_detections]
        return NetworkDetections(
            found.boxes[at], found.scores[at], found.classes[at], found.masks[at], found.mask_scores[at]
        )


def parse_classes(text: str, class_names: Sequence[str]) -> frozenset[int]:
    """Class indices from names or indices with commas, such as "cat,dog" or "15,16"; a name wins over an index.

    Raises ConfigError, with the valid names, for one that the model does not have.
    """
    by_name = {name.casefold(): index for index, name in reversed(list(enumerate(class_names)))}
    found = set()
    for word in (part.strip() for part in text.split(",")):
        if word.casefold() in by_name:
            found.add(by_name[word.casefold()])
        elif word.isascii() and word.isdigit() and int(word) < len(class_names):
            found.add(int(word))
        else:
            close = difflib.get_close_matches(word.casefold(), by_name, 3) or list(class_names[:_NAMES_SHOWN])
            more = "" if len(class_names) <= len(close) else ", ..."
            raise ConfigError(
                f"--classes: the model has no class {word!r}; use names such as {', '.join(close)}{more} "
                f"or indices 0 to {len(class_names) - 1}"
            )
    return frozenset(found)
