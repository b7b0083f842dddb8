"""A model of the report as the page refers to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from yolact_deploy.benchmarks.accuracy.average_precision import AveragePrecision
from yolact_deploy.benchmarks.performance.timing import Latency
from yolact_deploy.benchmarks.report.cells import in_points
from yolact_deploy.benchmarks.report.html.charts import Series
from yolact_deploy.benchmarks.report.html.svg import SERIES_COLOURS
from yolact_deploy.benchmarks.report.model import ModelReport
from yolact_deploy.benchmarks.report.text import letter

KINDS = ("box", "mask")


@dataclass(frozen=True)
class ModelView:
    """A measured model, and what stands for it in charts."""

    index: int
    report: ModelReport

    @property
    def letter(self) -> str:
        """A, B, ... Z, A1, ..."""
        return letter(self.index)

    @property
    def colour(self) -> int:
        """Number of its CSS variable, from 1."""
        return self.index % SERIES_COLOURS + 1

    @property
    def name(self) -> str:
        """As the whole report names it."""
        return self.report.name

    @property
    def latency(self) -> Latency | None:
        """End to end; None where speed was not measured."""
        return self.report.timing.end_to_end if self.report.timing else None

    @property
    def fps(self) -> float | None:
        """End to end, at the median; None where speed was not measured."""
        return self.report.timing.fps if self.report.timing else None

    def precision(self, kind: str) -> AveragePrecision | None:
        """Of boxes or masks; None where accuracy was not measured."""
        return getattr(self.report.accuracy, kind) if self.report.accuracy else None

    def ap(self, kind: str, which: str = "ap") -> float | None:
        """Points; None where it is not available."""
        precision = self.precision(kind)
        return None if precision is None else in_points(getattr(precision, which))

    def series(self, x: Sequence[float], y: Sequence[float]) -> Series:
        """Values of this model for a chart."""
        return Series(self.index, self.letter, x, y)
