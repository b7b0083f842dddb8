"""What the bundled model finds in the bundled pictures, once per test run; and faults planted in the annotations."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pycocotools import mask as coding

from yolact_deploy.artifacts.metadata import ModelMetadata
from yolact_deploy.benchmarks.accuracy.classes import ClassMapping, map_classes
from yolact_deploy.benchmarks.accuracy.dataset import Dataset, bundled_nano, load_dataset
from yolact_deploy.benchmarks.accuracy.image_results import ImageResult, run_images
from yolact_deploy.benchmarks.judge.hints.evidence import Evidence
from yolact_deploy.benchmarks.judge.pairing import Pairing, pair
from yolact_deploy.benchmarks.judge.truth import Truth, as_rle
from yolact_deploy.predictor import Predictor
from yolact_deploy.types import BoolArray


@dataclass(frozen=True)
class Case:
    """Results of a model on a data set."""

    dataset: Dataset
    results: tuple[ImageResult, ...]
    metadata: ModelMetadata

    @cached_property
    def mapping(self) -> ClassMapping:
        return map_classes(self.metadata.config, self.dataset.categories, self.dataset.object_counts)

    @cached_property
    def pairing(self) -> Pairing:
        return pair(Truth.of(self.dataset), self.results, self.mapping)

    @property
    def evidence(self) -> Evidence:
        return Evidence(self.dataset, self.results, self.pairing, self.metadata, self.mapping.category_ids, 0.3)

    def annotated(self, change: Callable[[dict[str, Any], int, int], dict[str, Any]]) -> Case:
        """The same with every annotation changed; `change` gets the height and the width of its image, px."""
        sizes = {image.id: (image.height, image.width) for image in self.dataset.images}
        changed = tuple(change(dict(item), *sizes[item["image_id"]]) for item in self.dataset.annotations)
        return replace(self, dataset=replace(self.dataset, annotations=changed))

    def masked(self, change: Callable[[BoolArray], BoolArray], with_boxes: bool = False) -> Case:
        """The same with every annotated mask [H,W] changed, and, if asked for, its box with it."""

        def one(item: dict[str, Any], height: int, width: int) -> dict[str, Any]:
            mask = coding.decode(as_rle(item["segmentation"], height, width)).astype(bool)
            rle = coding.encode(np.asfortranarray(change(mask).astype(np.uint8)))
            box = coding.toBbox(rle).tolist() if with_boxes else item["bbox"]
            return {**item, "segmentation": rle, "bbox": box}

        return self.annotated(one)


def case_of(model: Path, folder: Path, limit: int | None = None) -> Case:
    dataset = load_dataset(folder, limit=limit)
    with Predictor.open(model, device="cpu", threads=1) as predictor:
        return Case(dataset, tuple(run_images(predictor, dataset.images)), predictor.metadata)


@pytest.fixture(scope="session")
def nano_case(nano_onnx: Path) -> Case:
    """The bundled model on the bundled pictures."""
    return case_of(nano_onnx, bundled_nano().folder)
