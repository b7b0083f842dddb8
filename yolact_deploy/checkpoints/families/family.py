"""What every family says of itself."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from ...config.model import ModelConfig
from ...config.postprocess import PostprocessConfig
from ...errors import CheckpointError

Tensors = Mapping[str, torch.Tensor]


@dataclass(frozen=True)
class Translation:
    """A checkpoint under official keys."""

    tensors: dict[str, torch.Tensor]
    dropped_keys: tuple[str, ...]  # the file's keys that inference does not need
    notes: tuple[str, ...]  # what was left out or assumed, for people to read
    # What the family or the file says of the network, where no tensor does. None: a named configuration that fits.
    config: ModelConfig | None = None
    postprocess: PostprocessConfig = field(default_factory=PostprocessConfig)  # the family's rules
    assumption: str = ""  # what is assumed of `config`, for people to read, where no other is given
    problem: str = ""  # why the file's own configuration is none that can be used: one has to be given then


def _as_it_is(translation: Translation, meta: Mapping[str, Any], path: Path) -> Translation:
    return translation


@dataclass(frozen=True)
class Family:
    """A code base that writes YOLACT checkpoints."""

    name: str  # for people
    option: str  # what `--family` calls it; one of names.FAMILY_NAMES
    configurations: tuple[str, ...]  # named ones that it trains, likeliest first
    # By keys and shapes, never by the file's name. Where two families have the same tensors and another network, the
    # first in recognition.FAMILIES is taken, unless `--family` says otherwise.
    recognises: Callable[[Tensors], bool]
    # Of a recognised file; the path is for messages and hints. Raises CheckpointError.
    translate: Callable[[Tensors, Path], Translation]
    # Adds what the file says of itself in its `meta`, plain values of strangers; the path is for messages.
    describe: Callable[[Translation, Mapping[str, Any], Path], Translation] = _as_it_is
    # Of a recognised file, where `--family` is not given: why it may as well be of another family, and what to do. The
    # file is then refused. Empty where it cannot be.
    doubt: Callable[[Tensors, Path], str] = lambda tensors, path: ""


def has_key(tensors: Tensors, *starts: str) -> bool:
    """Whether a key starts with one of `starts`."""
    return any(key.startswith(starts) for key in tensors)


def renamed(tensors: Tensors, table: Iterable[tuple[str, str]], path: Path) -> dict[str, torch.Tensor]:
    """`tensors` with each key rewritten by the first pattern of `table` that matches its start.

    Raises CheckpointError where two keys become one: the file mixes two families.
    """
    table = tuple(table)
    result: dict[str, torch.Tensor] = {}
    for key, tensor in tensors.items():
        official = next((re.sub(rf"\A{old}", new, key) for old, new in table if re.match(old, key)), key)
        if official in result:
            raise CheckpointError(f"{path.name} mixes two families: {key} and {official} are the same tensor")
        result[official] = tensor
    return result
