"""What a hint is, and what hints are drawn from."""

from __future__ import annotations

from dataclasses import dataclass

from yolact_deploy.artifacts.metadata import ModelMetadata
from yolact_deploy.benchmarks.accuracy.dataset import Dataset
from yolact_deploy.benchmarks.accuracy.image_results import ImageResult
from yolact_deploy.benchmarks.judge.pairing import Pairing

MIN_OBJECTS = 10  # fewer show nothing
MAX_IMAGES = 300  # that are looked at for geometry: more do not change a median


@dataclass(frozen=True)
class Hint:
    """A cause that the numbers point to."""

    cause: str  # "class names", "class ids", "mask shift", ...: the same for the same cause
    text: str  # one line: what the numbers show, and what to check


@dataclass(frozen=True)
class Evidence:
    """A model's results on a data set."""

    dataset: Dataset
    results: tuple[ImageResult, ...]  # of all images, in order
    pairing: Pairing
    metadata: ModelMetadata
    category_ids: tuple[int | None, ...]  # of each class of the model
    score: float  # from which a detection counts in the table of errors
