"""What a benchmark finds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from yolact_deploy.benchmarks.accuracy.average_precision import Accuracy
from yolact_deploy.benchmarks.accuracy.differences import ImageDifference
from yolact_deploy.benchmarks.accuracy.image_results import ImageResult
from yolact_deploy.benchmarks.accuracy.parity import MATCH_SCORE, Parity, Verdict
from yolact_deploy.benchmarks.hardware import Hardware
from yolact_deploy.benchmarks.judge.judgement import Judgement
from yolact_deploy.benchmarks.options import BenchOptions
from yolact_deploy.benchmarks.performance.memory import MemoryUse
from yolact_deploy.benchmarks.performance.pipeline_stages import Timing
from yolact_deploy.benchmarks.regression.comparison import Comparison
from yolact_deploy.telemetry import Telemetry


@dataclass(frozen=True)
class DetectionCounts:
    """How much a model finds."""

    images: int
    total: int
    confident: int  # of score >= parity.MATCH_SCORE
    images_without: int

    @property
    def per_image(self) -> float:
        """Mean number of detections."""
        return self.total / self.images

    @classmethod
    def of(cls, results: Sequence[ImageResult]) -> DetectionCounts:
        """Count the detections of a data set."""
        return cls(
            images=len(results),
            total=sum(len(result) for result in results),
            confident=sum(int(np.sum(result.scores >= MATCH_SCORE)) for result in results),
            images_without=sum(len(result) == 0 for result in results),
        )


@dataclass(frozen=True)
class ModelReport:
    """What was measured of one model."""

    name: str
    path: Path
    is_reference: bool
    description: str  # what ran it, and where
    config_name: str
    precision: str
    input_kind: str  # see metadata.ModelMetadata
    file_bytes: int
    accuracy: Accuracy | None  # None: --no-accuracy
    detections: DetectionCounts
    timing: Timing | None  # None: --no-speed
    memory: MemoryUse | None  # None: --no-speed, or a note says why
    parity: Parity | None  # None: there is no reference, or this is it
    verdict: Verdict | None
    notes: tuple[str, ...]
    sha256: str = ""  # of the file
    differences: tuple[ImageDifference, ...] | None = None  # None: not asked for, or nothing to compare with
    telemetry: Telemetry | None = None  # None: the machine tells nothing
    judgement: Judgement | None = None  # None: --no-accuracy

    @property
    def detects_nothing(self) -> bool:
        """Whether no image has a detection: then nothing that was measured means much."""
        return self.detections.total == 0


@dataclass(frozen=True)
class BenchReport:
    """Everything that `run_bench` found."""

    models: tuple[ModelReport, ...]
    reference: str | None  # name of a model
    data: str  # the data set in words
    data_folder: Path
    hardware: Hardware
    options: BenchOptions
    notes: tuple[str, ...]
    comparison: Comparison | None = None  # with an older run; None: not asked for
    busy_cores: float | None = None  # cores that other processes used during the measurement; None: not known

    @property
    def passed(self) -> bool:
        """Whether no model fails a gate: parity, or --max-slowdown."""
        return self.has_parity and (self.comparison is None or self.comparison.passed)

    @property
    def has_parity(self) -> bool:
        """Whether every model that was held to its parity gate passed it."""
        return all(model.verdict is None or model.verdict.passed for model in self.models)

    @property
    def parity(self) -> str:
        """ "pass", "FAIL" or "not judged", for all models together."""
        words = {model.verdict.word for model in self.models if model.verdict is not None}
        return next((word for word in ("FAIL", "not judged") if word in words), "pass" if words else "not judged")
