"""How good models are: what they find in a data set, against the annotations and against the reference."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from yolact_deploy.artifacts.metadata import ModelMetadata
from yolact_deploy.benchmarks.accuracy.average_precision import Accuracy, GroundTruth
from yolact_deploy.benchmarks.accuracy.classes import ClassMapping, class_titles
from yolact_deploy.benchmarks.accuracy.dataset import DataImage, Dataset
from yolact_deploy.benchmarks.accuracy.differences import ImageDifference, largest_differences
from yolact_deploy.benchmarks.accuracy.image_results import ImageResult, run_images
from yolact_deploy.benchmarks.accuracy.parity import Parity, Verdict, compare, gate_for, judge
from yolact_deploy.benchmarks.judge.judgement import Demands, Judgement, judge_results
from yolact_deploy.benchmarks.judge.truth import Truth
from yolact_deploy.benchmarks.options import BenchOptions, Progress
from yolact_deploy.benchmarks.report.model import DetectionCounts
from yolact_deploy.benchmarks.selection import open_model
from yolact_deploy.predictor import Predictor


@dataclass(frozen=True)
class Findings:
    """What a model finds in the images, and how good that is."""

    metadata: ModelMetadata
    description: str
    detections: DetectionCounts
    notes: tuple[str, ...]
    accuracy: Accuracy | None = None  # None: not measured
    judgement: Judgement | None = None  # likewise
    parity: Parity | None = None
    verdict: Verdict | None = None
    differences: tuple[ImageDifference, ...] | None = None


class Assessor:
    """Runs model after model on the data set; the reference comes first, and the others are compared with it."""

    def __init__(
        self,
        options: BenchOptions,
        dataset: Dataset,
        category_ids: set[int],
        progress: Progress,
        names: dict[Path, str],
    ) -> None:
        """category_ids: those of `dataset` to evaluate. names: what to call each model in `progress`."""
        self._options = options
        self._dataset = dataset
        self._progress = progress
        self._names = names
        self._truth = GroundTruth(dataset, category_ids)
        self._objects = Truth.of(dataset, category_ids)
        self._reference: tuple[list[ImageResult], Accuracy] | None = None
        self._first: list[ImageResult] | None = None  # of the reference, else of the first model

    def assess(self, path: Path, mapping: ClassMapping, is_reference: bool) -> Findings:
        """Detections, accuracy, errors and parity of one model."""
        options = self._options
        with open_model(path, options) as predictor:
            results = self._run(path, predictor)
            metadata, description = predictor.metadata, predictor.description
            self._progress(f"{self._names[path]}: AP and errors", 0, 1)
            accuracy = self._truth.evaluate(results, mapping)
            judgement = judge_results(
                self._dataset,
                self._objects,
                results,
                mapping,
                metadata,
                Demands(options.score, options.iou, options.at_precision, options.at_recall),
                predictor,
                options.draws_pictures,
            )
            self._progress(f"{self._names[path]}: AP and errors", 1, 1)
        parity = verdict = differences = None
        if is_reference:
            self._reference = (results, accuracy)
        elif self._reference is not None:
            parity = compare(self._reference[0], results, self._reference[1], accuracy)
            verdict = judge(parity, gate_for(metadata.precision, options.max_ap_difference, options.min_match_rate))
        if self._first is None:
            self._first = results
        elif options.draws_pictures:
            names = class_titles(metadata.config, mapping, self._dataset.categories)
            differences = largest_differences(self._dataset.images, self._first, results, names)
        return Findings(
            metadata=metadata,
            description=description,
            detections=DetectionCounts.of(results),
            notes=mapping.notes,
            accuracy=accuracy,
            judgement=judgement,
            parity=parity,
            verdict=verdict,
            differences=differences,
        )

    def _run(self, path: Path, predictor: Predictor) -> list[ImageResult]:
        what = f"{self._names[path]}: accuracy"
        return run_images(predictor, self._dataset.images, lambda *done: self._progress(what, *done))


def count_only(
    path: Path,
    options: BenchOptions,
    images: Sequence[DataImage],
    notes: tuple[str, ...],
    progress: Progress,
    name: str,
) -> Findings:
    """What a model finds in `images`, without annotations: a speed means nothing without it."""
    with open_model(path, options) as predictor:
        results = run_images(predictor, images, lambda *done: progress(f"{name}: detections", *done))
        return Findings(predictor.metadata, predictor.description, DetectionCounts.of(results), notes)
