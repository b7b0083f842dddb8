"""Checkpoint files for tests, small whatever the network."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from yolact_deploy.checkpoints.reader import read_checkpoint
from yolact_deploy.config.model import ModelConfig
from yolact_deploy.errors import CheckpointError
from yolact_deploy.models.yolact import Yolact


def zeros(config: ModelConfig) -> dict[str, torch.Tensor]:
    """A state dict of the right shapes that takes no room, in memory or in a file."""
    with torch.device("meta"):
        shapes = {key: tensor.shape for key, tensor in Yolact(config).state_dict().items()}
    kinds = {key: torch.int64 if key.endswith("num_batches_tracked") else torch.float32 for key in shapes}
    return {key: torch.zeros((), dtype=kinds[key]).expand(shape) for key, shape in shapes.items()}


def save(path: Path, content: object, **options: object) -> Path:
    torch.save(content, path, **options)  # type: ignore[arg-type]
    return path


def saved_bytes(content: object) -> bytes:
    stream = io.BytesIO()
    torch.save(content, stream)
    return stream.getvalue()


def small_config(**changes: object) -> ModelConfig:
    """A thin network of a named structure, so that tests stay fast."""
    return replace(ModelConfig.named("yolact_nano"), name="small", **changes)  # type: ignore[arg-type]


def refused(path: Path, *parts: str, **options: object) -> None:
    """Assert that `path` is refused in one line that has all of `parts`."""
    with pytest.raises(CheckpointError) as caught:
        read_checkpoint(path, **options)  # type: ignore[arg-type]
    message = str(caught.value)
    assert "\n" not in message
    for part in parts:
        assert part in message
