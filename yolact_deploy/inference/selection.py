"""Which detections count."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..config.model import ModelConfig
from ..errors import ConfigError
from ..types import NetworkDetections

_INDEX_DIGITS = 10  # of an index; more cannot be one
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
        return found[at]


def select(
    config: ModelConfig, score: float = 0.0, classes: str | None = None, max_detections: int | None = None
) -> Selection:
    """What is asked for of the detections of a model. classes: see `parse_classes`; None: all. Raises ConfigError."""
    wanted = None if classes is None else parse_classes(classes, config.class_names)
    return Selection(score, wanted, max_detections)


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
    by_name = {name.casefold(): name for name in class_names}
    close = [by_name[name] for name in difflib.get_close_matches(word.casefold(), by_name, 3)]
    names = close or list(class_names[:_NAMES_SHOWN])
    more = "" if len(class_names) <= len(names) else ", ..."
    raise ConfigError(
        f"--classes: the model has no class {word!r}; use names such as {', '.join(names)}{more} "
        f"or indices 0 to {len(class_names) - 1}"
    )
