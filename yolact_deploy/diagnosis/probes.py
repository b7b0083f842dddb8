"""Looking into a model while it runs on an image: one class per kind of file."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from ..artifacts.metadata import ModelMetadata
from ..config.postprocess import PostprocessConfig
from ..types import Image, NetworkDetections
from .operators import Structure


@dataclass(frozen=True)
class StageValues:
    """What a model's stages gave on one image."""

    tensors: dict[str, np.ndarray]  # by stage, [1,...]; those that the file does not tell are missing
    detections: NetworkDetections


class Probe(Protocol):
    """A model that can be looked into."""

    metadata: ModelMetadata
    precision: str  # fp32, fp16, bf16 or int8: what its network computes in
    description: str  # what runs it and where
    brings_postprocess: bool  # whether its thresholds are its own
    priors: np.ndarray | None  # [N,4] where the file tells

    def run(self, image: Image, postprocess: PostprocessConfig) -> StageValues:
        """All stages of one image. postprocess: for a model that brings none."""
        ...

    def structure(self) -> Structure | None:
        """Its operators; None where the file does not tell. Call `run` first."""
        ...

    def values(self, image: Image, keys: Collection[str]) -> dict[str, np.ndarray]:
        """What the operators `keys` give."""
        ...

    def advice(self) -> str:
        """How to get the stages that it does not tell."""
        ...

    def close(self) -> None:
        """Give back what it holds."""
        ...


def effective_precision(precision: str, uses_tf32: bool) -> str:
    """TF32, which GPUs may use for fp32 convolutions, keeps as many digits as fp16."""
    return "fp16" if uses_tf32 and precision == "fp32" else precision
