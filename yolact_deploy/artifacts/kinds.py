"""Which kind of model file a path names, by its suffix."""

from __future__ import annotations

from enum import Enum
from pathlib import Path

from ..errors import ModelFileError

CHECKPOINT_SUFFIXES = (".pth", ".pt", ".safetensors")
ENGINE_SUFFIXES = (".engine", ".plan", ".trt")


class Kind(Enum):
    """A kind of model file."""

    CHECKPOINT = CHECKPOINT_SUFFIXES
    ONNX = (".onnx",)
    ENGINE = ENGINE_SUFFIXES


def kind_of(path: Path) -> Kind:
    """The kind of `path`. Raises ModelFileError for any other suffix."""
    suffix = path.suffix.lower()
    for kind in Kind:
        if suffix in kind.value:
            return kind
    raise ModelFileError(
        f"{path}: unknown kind of model file; use a checkpoint ({', '.join(CHECKPOINT_SUFFIXES)}), .onnx or an "
        f"engine ({', '.join(ENGINE_SUFFIXES)})"
    )


def is_checkpoint(path: Path) -> bool:
    """Whether `path` has the suffix of a checkpoint."""
    return path.suffix.lower() in CHECKPOINT_SUFFIXES
