"""The lowest score of each class, after suppression: what is left out of a result."""

from __future__ import annotations

import itertools
import numbers
import os
import reprlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..errors import ConfigError
from .class_names import close_names
from .plain_values import parse_json
from .values import read_text

Thresholds = tuple[float | None, ...]  # of each class, None: it has none; empty: no class has one
# As users give them: scores by class name, a file of them, or a list of files and texts NAME=SCORE.
GivenThresholds = Mapping[str, float] | str | os.PathLike[str] | Sequence[str]

_EXAMPLE = '{"bolt": 0.43, "nut": 0.51}'


def checked_score(value: Any, what: str = "score_threshold") -> float:
    """`value` as a number from 0 to 1; `what` names it in the error. Raises ConfigError."""
    if isinstance(value, numbers.Real) and not isinstance(value, bool) and 0 <= float(value) <= 1:  # NaN is not
        return float(value)
    raise ConfigError(f"{what} {reprlib.repr(value)}: a number between 0 and 1")


def given_thresholds(given: GivenThresholds | None) -> dict[str, float]:
    """Scores by class name, from such a mapping, from a JSON file, or from a list of files and texts NAME=SCORE.

    Raises ConfigError for a file that cannot be read or holds something else, a score that is none, and a class that is
    named twice.
    """
    if given is None:
        return {}
    if isinstance(given, Mapping):
        return {name: checked_score(value, f"threshold {reprlib.repr(name)} =") for name, value in given.items()}
    texts = given if isinstance(given, Sequence) and not isinstance(given, str) else [given]
    found: dict[str, float] = {}
    for name, value in itertools.chain.from_iterable(map(_pairs, texts)):
        if name in found:
            raise ConfigError(f"thresholds name the class {reprlib.repr(name)} twice: give one score")
        found[name] = checked_score(value, f"threshold {reprlib.repr(name)} =")
    return found


def thresholds_files(given: Sequence[str]) -> list[Path]:
    """Those of the texts that `given_thresholds` reads as files."""
    return [Path(text) for text in given if os.path.isfile(text)]


def _pairs(given: Any) -> list[tuple[str, Any]]:
    """Class names and scores in a file, or the one of NAME=SCORE. Raises ConfigError."""
    if not isinstance(given, (str, os.PathLike)):
        raise ConfigError(f"thresholds {reprlib.repr(given)}: give scores by class name, such as {_EXAMPLE}")
    text = os.fspath(given)
    name, mark, score = text.rpartition("=")
    if mark and not os.path.isfile(text) and not text.lower().endswith(".json"):
        return [(name.strip(), _number(score))]
    if not os.path.exists(text):
        reason = "no such file" if Path(text).suffix == ".json" or os.sep in text else "neither a file nor NAME=SCORE"
        raise ConfigError(f"thresholds {reprlib.repr(text)}: {reason}; give bolt=0.43, or a file with {_EXAMPLE}")
    return _read_file(Path(text))


def _number(text: str) -> Any:
    """The number that `text` is; what is none comes back as it is, for the error."""
    try:
        return float(text)
    except ValueError:
        return text


def _read_file(path: Path) -> list[tuple[str, Any]]:
    """The pairs of a JSON object, each name as often as it stands there. Raises ConfigError."""
    text = read_text(path, "file of thresholds")
    try:
        values = parse_json(text, as_pairs=True)
    except ValueError as error:
        raise ConfigError(f"{path} is not valid JSON: {error}") from None
    if not isinstance(values, tuple):
        raise ConfigError(f"{path}: not a JSON object of class names and scores, such as {_EXAMPLE}")
    return list(values)


def class_thresholds(values: Mapping[str, float], class_names: Sequence[str]) -> Thresholds:
    """Scores by class name -> the threshold of each class. Case counts only where two names differ in nothing else.

    Raises ConfigError, with names of the model, for a class that it does not have, one that is named twice, and what is
    no score.
    """
    if not isinstance(values, Mapping):  # in a damaged file
        raise ConfigError(f"thresholds {reprlib.repr(values)}: not an object such as {_EXAMPLE}")
    found: list[float | None] = [None] * len(class_names)
    for name, value in values.items():
        score = checked_score(value, f"threshold {reprlib.repr(name)} =")
        for index in _classes_of(name, class_names):
            if found[index] is not None:
                raise ConfigError(f"thresholds name the class {class_names[index]!r} twice: give one score")
            found[index] = score
    return tuple(found) if values else ()


def _classes_of(name: str, class_names: Sequence[str]) -> list[int]:
    """The classes of a name: several where a model has it several times. Raises ConfigError."""
    same = [index for index, known in enumerate(class_names) if known == name]
    if not same and isinstance(name, str):
        alike = [index for index, known in enumerate(class_names) if known.casefold() == name.casefold()]
        same = alike if len({class_names[index] for index in alike}) == 1 else []
    if not same:
        raise ConfigError(f"thresholds: the model has no class {reprlib.repr(name)}; {close_names(name, class_names)}")
    return same


def by_name(thresholds: Thresholds, class_names: Sequence[str]) -> dict[str, float]:
    """The classes that have a threshold, the inverse of `class_thresholds`."""
    pairs = zip(class_names, thresholds, strict=False)
    return {name: score for name, score in pairs if score is not None}


def merged(own: Thresholds, given: Thresholds) -> Thresholds:
    """`own` of a model's file, with those `given` by its user in their place."""
    if not own or not given:
        return given or own
    return tuple(old if new is None else new for old, new in zip(own, given, strict=True))


def lowest_scores(
    own: Thresholds, given: Thresholds, score_threshold: float, default: float = 0.0
) -> float | tuple[float, ...]:
    """The lowest score that counts: one for all classes, or one for each where classes have thresholds.

    given: by the user, which decide alone; own: of the model's file, not below `score_threshold`. A class without any
    has the higher one of `score_threshold` and `default`.
    """
    rest = max(score_threshold, default)
    if not own and not given:
        return rest
    pairs = itertools.zip_longest(own, given)
    return tuple(new if new is not None else rest if old is None else max(old, score_threshold) for old, new in pairs)
