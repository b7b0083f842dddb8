"""What a benchmark measures, and how."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from yolact_deploy.benchmarks.accuracy.dataset import bundled_nano
from yolact_deploy.benchmarks.accuracy.parity import gate_for
from yolact_deploy.benchmarks.performance.timing import DEFAULT_WARMUP, Schedule
from yolact_deploy.config.model import ModelConfig
from yolact_deploy.errors import YolactDeployError

DEFAULT_SCORE = 0.3  # what `infer` draws
DEFAULT_IOU = 0.5
DEFAULT_REPEATS = 3  # the fewest rounds that tell noise from change

Progress = Callable[[str, int, int], None]  # what is being done, how much is done, of how much


MAX_BATCH, MAX_STREAMS, MAX_FPS = 1024, 256, 1e6  # of the options; more is a slip of the hand


@dataclass(frozen=True)
class BenchOptions:
    """What to measure, and how."""

    models: tuple[Path, ...]
    reference: Path | None = None  # None: the only checkpoint among the models, if there is just one
    data: Path | None = None  # None: the bundled nano set
    annotations: Path | None = None  # of `data`; None: found there, see accuracy.layout
    limit: int | None = None  # images; None: all
    seed: int | None = None  # with limit: a random choice instead of the first by id
    exif: str = "auto"  # the images' EXIF orientation: "auto", "apply" or "ignore"; see accuracy.orientation
    skip_bad_annotations: bool = False  # instead of refusing the data set
    strict: bool = False  # refuse categories that the model lacks instead of leaving them out
    measures_speed: bool = True
    measures_accuracy: bool = True
    score: float = DEFAULT_SCORE  # from which a detection counts in the errors
    iou: float = DEFAULT_IOU  # from which a detection fits an object
    at_precision: float | None = None  # 0..1: also find the score of each class from which precision is that high
    at_recall: float | None = None  # 0..1: also find the score of each class up to which recall is that high
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
    draws_pictures: bool = False  # of the worst images, and of those that differ most from the reference

    @property
    def data_folder(self) -> Path | None:
        """Where the data set lies: the bundled one where nothing is said; None: where the annotations lie."""
        return bundled_nano().folder if self.data is None and self.annotations is None else self.data

    @property
    def schedule(self) -> Schedule:
        """How often each thing is measured. Raises YolactDeployError."""
        return Schedule(self.iterations, self.warmup, self.duration, self.repeats)

    def check(self) -> None:
        """Raises YolactDeployError for what makes no sense."""
        _ = self.schedule
        if not (self.measures_speed or self.measures_accuracy):
            raise YolactDeployError("--no-speed and --no-accuracy leave nothing to measure: leave out one of them")
        shares = (("score", self.score), ("IoU", self.iou), ("--at-precision", self.at_precision))
        for name, share in (*shares, ("--at-recall", self.at_recall)):
            if share is not None and not 0 <= share <= 1:
                raise YolactDeployError(f"{name} {share:g}: between 0 and 1")
        if not self.iou > 0:
            raise YolactDeployError(f"IoU {self.iou:g}: more than 0")
        if not self.measures_accuracy and (self.at_precision is not None or self.at_recall is not None):
            raise YolactDeployError("--at-precision and --at-recall need annotations: leave out --no-accuracy")
        if not self.measures_speed and (
            self.streams > 1 or self.target_fps is not None or self.max_slowdown is not None
        ):
            raise YolactDeployError("--streams, --target-fps and --max-slowdown are about speed: leave out --no-speed")
        gate_for("fp32", self.max_ap_difference, self.min_match_rate)
        for name, count, most in (("batch", self.batch, MAX_BATCH), ("streams", self.streams, MAX_STREAMS)):
            if count is not None and not 1 <= count <= most:
                raise YolactDeployError(f"{name} {count}: 1 or more, up to {most}")
        if self.max_slowdown is not None and self.compare is None:
            raise YolactDeployError("--max-slowdown needs --compare OLD.json: the run to compare with")
        if self.target_fps is not None and not 0 < self.target_fps <= MAX_FPS:
            raise YolactDeployError(f"target FPS {self.target_fps:g}: more than 0, up to {MAX_FPS:g}")
