"""A model of the report as the page refers to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from yolact_deploy.benchmarks.accuracy.average_precision import NOT_AVAILABLE, AveragePrecision
from yolact_deploy.benchmarks.accuracy.parity import POINT
from yolact_deploy.benchmarks.performance.timing import Latency
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
    def latency(self) -> Latency:
        """End to end."""
        return self.report.timing.end_to_end

    @property
    def fps(self) -> float:
        """End to end, at the median."""
        return self.report.timing.fps

    def precision(self, kind: str) -> AveragePrecision:
        """Of boxes or masks."""
        return getattr(self.report.accuracy, kind)

    def ap(self, kind: str, which: str = "ap") -> float | None:
        """Points; None where it is not available."""
        value = getattr(self.precision(kind), which)
        return None if value == NOT_AVAILABLE else value / POINT

    def series(self, x: Sequence[float], y: Sequence[float]) -> Series:
        """Values of this model for a chart."""
        return Series(self.index, self.letter, x, y)
