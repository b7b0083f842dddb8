"""What a benchmark measures, and how."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from yolact_deploy.benchmarks.accuracy.parity import gate_for
from yolact_deploy.benchmarks.performance.timing import DEFAULT_WARMUP, Schedule
from yolact_deploy.config.model import ModelConfig
from yolact_deploy.errors import YolactDeployError

DEFAULT_REPEATS = 3  # the fewest rounds that tell noise from change

Progress = Callable[[str, int, int], None]  # what is being done, how much is done, of how much


@dataclass(frozen=True)
class BenchOptions:
    """What to measure, and how."""

    models: tuple[Path, ...]
    reference: Path | None = None  # None: the only checkpoint among the models, if there is just one
    data: Path | None = None  # None: the bundled nano set
    limit: int | None = None  # images; None: all
    seed: int | None = None  # with limit: a random choice instead of the first by id
    exif: str = "auto"  # the images' EXIF orientation: "auto", "apply" or "ignore"; see accuracy.orientation
    skip_bad_annotations: bool = False  # instead of refusing the data set
    device: str = "auto"
    threads: int | None = None  # None: each runtime's default
    iterations: int | None = None  # calls in all rounds together; None: at least 10 and at least 3 s
    warmup: int = DEFAULT_WARMUP
    duration: float | None = None  # s in all rounds together, instead of iterations
    repeats: int = DEFAULT_REPEATS  # rounds, going round the models
    batch: int | None = None  # images per call; None: 1, or what the file takes
    streams: int = 1  # concurrent callers, for the throughput
    target_fps: float | None = None  # also measure frames that arrive at this rate, per second
    max_ap_difference: float | None = None  # points; None: by precision, see parity.GATES
    min_match_rate: float | None = None  # 0..1; None: by precision
    config: ModelConfig | None = None  # of checkpoints and trusted engines; None: found from each
    family: str | None = None  # the code that wrote the checkpoints; None: found from the tensors of each
    trust: bool = False  # open engines without a manifest
    plugins: Path | None = None  # the plugin library for engines that use one; None: see `Predictor.open`
    class_names: tuple[str, ...] | None = None  # in place of those of the models
    compare: Path | None = None  # JSON of an older run
    max_slowdown: float | None = None  # share: 0.05 allows 5 % slower than that run; None: no gate
    draws_differences: bool = False  # pictures of the images that differ most from the reference

    @property
    def schedule(self) -> Schedule:
        """How often each thing is measured. Raises YolactDeployError."""
        return Schedule(self.iterations, self.warmup, self.duration, self.repeats)

    def check(self) -> None:
        """Raises YolactDeployError for what makes no sense."""
        _ = self.schedule
        gate_for("fp32", self.max_ap_difference, self.min_match_rate)
        for name, count in (("batch", self.batch), ("streams", self.streams)):
            if count is not None and count < 1:
                raise YolactDeployError(f"{name} {count}: 1 or more")
        if self.max_slowdown is not None and self.compare is None:
            raise YolactDeployError("--max-slowdown needs --compare OLD.json: the run to compare with")
        if self.target_fps is not None and not 0 < self.target_fps < math.inf:
            raise YolactDeployError(f"target FPS {self.target_fps:g}: more than 0")
