"""All that is said of one model against the annotations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from yolact_deploy.artifacts.metadata import ModelMetadata
from yolact_deploy.benchmarks.accuracy.classes import ClassMapping
from yolact_deploy.benchmarks.accuracy.dataset import Dataset
from yolact_deploy.benchmarks.accuracy.image_results import ImageResult
from yolact_deploy.benchmarks.judge.cost import ErrorCosts, error_costs
from yolact_deploy.benchmarks.judge.errors import Errors, count_errors
from yolact_deploy.benchmarks.judge.hints.evidence import Evidence, Hint
from yolact_deploy.benchmarks.judge.hints.find import find_hints
from yolact_deploy.benchmarks.judge.pairing import pair
from yolact_deploy.benchmarks.judge.thresholds import ClassCurve, ClassThresholds, class_curves, class_thresholds
from yolact_deploy.benchmarks.judge.truth import Truth
from yolact_deploy.benchmarks.judge.worst import WorstImage, worst_images
from yolact_deploy.predictor import Predictor


@dataclass(frozen=True)
class Demands:
    """What errors are counted at, and what thresholds have to reach."""

    score: float
    iou: float
    precision: float | None = None  # None: not asked for
    recall: float | None = None


@dataclass(frozen=True)
class Judgement:
    """A model against the annotations."""

    errors: Errors
    costs: ErrorCosts | None  # None: the data set has no object
    thresholds: tuple[ClassThresholds, ...]  # of each category, by id
    curves: tuple[ClassCurve, ...]  # likewise
    hints: tuple[Hint, ...]
    worst: tuple[WorstImage, ...] = ()  # nothing where no pictures were asked for
    class_names: tuple[str, ...] = ()  # of the model, for each category: what a file of thresholds names


def judge_results(
    dataset: Dataset,
    truth: Truth,
    results: Sequence[ImageResult],
    mapping: ClassMapping,
    metadata: ModelMetadata,
    demands: Demands,
    predictor: Predictor | None = None,
    draws_pictures: bool = False,
) -> Judgement:
    """Everything about `results`, those of all images in order. predictor: the model, for hints that need to run it.

    Raises DataError for an image that cannot be read.
    """
    pairing = pair(truth, results, mapping, demands.iou)
    curves = class_curves(pairing)
    evidence = Evidence(dataset, tuple(results), pairing, metadata, mapping.category_ids, demands.score)
    places = [mapping.category_ids.index(category.id) for category in truth.categories]
    return Judgement(
        errors=count_errors(pairing, demands.score),
        costs=error_costs(pairing),
        thresholds=tuple(class_thresholds(curve, demands.precision, demands.recall) for curve in curves),
        curves=curves,
        hints=find_hints(evidence, predictor),
        worst=worst_images(evidence) if draws_pictures else (),
        class_names=tuple(metadata.config.class_names[place] for place in places),
    )
