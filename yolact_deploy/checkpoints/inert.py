"""What mmengine's training checkpoints hold beside their weights, read without running anything of it."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

import torch

HISTORY_BUFFER = "mmengine.logging.history_buffer.HistoryBuffer"  # the first of them in a file
_NAMES = (
    HISTORY_BUFFER,
    "numpy.ndarray",
    "numpy.dtype",
    "numpy.core.multiarray._reconstruct",
    "numpy._core.multiarray._reconstruct",  # of numpy 2
    "builtins.getattr",
)


class _Inert:
    """In place of a class or function of a file: takes any arguments and any state, and does nothing with them."""

    def __new__(cls, *arguments: Any) -> _Inert:
        return super().__new__(cls)

    def __setstate__(self, state: Any) -> None:
        pass


def inert_objects() -> AbstractContextManager[Any]:
    """While it is open, `torch.load(weights_only=True)` makes stand-ins for these names, never the real ones."""
    return torch.serialization.safe_globals([(_Inert, name) for name in _NAMES])
