"""Any number of files of one model, each compared with the same reference on a data set."""

from __future__ import annotations

import functools
from pathlib import Path

from yolact_deploy.benchmarks.accuracy.average_precision import Accuracy, GroundTruth
from yolact_deploy.benchmarks.accuracy.classes import map_classes
from yolact_deploy.benchmarks.accuracy.dataset import load_dataset
from yolact_deploy.benchmarks.accuracy.image_results import ImageResult, run_images
from yolact_deploy.benchmarks.accuracy.parity import Parity, compare
from yolact_deploy.predictor import Predictor


class AgainstReference:
    """Compares files with a reference on a data set, on the CPU. The reference runs once, when it is needed."""

    def __init__(self, reference: Path, data: Path) -> None:
        """Raises DataError for a data set that cannot be used, MissingDependencyError."""
        self._reference = reference
        self._dataset = load_dataset(data)
        self._truth = GroundTruth(self._dataset)

    def describe_data(self) -> str:
        """See `Dataset.describe`."""
        return self._dataset.describe()

    def parity(self, path: Path) -> Parity:
        """How far `path` is from the reference. Raises YolactDeployError for a file that cannot be run."""
        expected, expected_accuracy = self._expected
        found, accuracy = self._judged(path)
        return compare(expected, found, expected_accuracy, accuracy)

    @functools.cached_property
    def _expected(self) -> tuple[list[ImageResult], Accuracy]:
        return self._judged(self._reference)

    def _judged(self, path: Path) -> tuple[list[ImageResult], Accuracy]:
        with Predictor.open(path, device="cpu") as predictor:
            mapping = map_classes(predictor.metadata.config, self._dataset.categories)
            found = run_images(predictor, self._dataset.images)
        return found, self._truth.evaluate(found, mapping)
