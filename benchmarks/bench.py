"""Models side by side on one data set: accuracy, parity with the reference, latency, memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..config import ModelConfig
from ..dependencies import require
from ..errors import ModelFileError, YolactDeployError
from ..predictor import CHECKPOINT_SUFFIXES, Predictor
from ..types import Image
from .accuracy import Accuracy, GroundTruth
from .classes import ClassMapping, class_titles, map_classes
from .dataset import DataImage, Dataset, bundled_nano, load_dataset
from .differences import ImageDifference, largest_differences
from .hardware import Hardware, describe_hardware
from .memory import MemoryUse, measure_peak_memory
from .parity import MATCH_SCORE, Parity, Verdict, compare, gate_for, judge
from .results import ImageResult, run_images
from .stages import Timing, time_model
from .timing import DEFAULT_WARMUP, Schedule

TIMING_IMAGES = 64  # at most, spread over the data set
TIMING_BYTES = 256 << 20  # 256 MiB: what the decoded images may take together
MEMORY_IMAGES = 3

Progress = Callable[[str, int, int], None]  # what is being done, how much is done, of how much


@dataclass(frozen=True)
class BenchOptions:
    """What to measure, and how."""

    models: tuple[Path, ...]
    reference: Path | None = None  # None: the only checkpoint among the models, if there is just one
    data: Path | None = None  # None: the bundled nano set
    limit: int | None = None  # images; None: all
    seed: int | None = None  # with limit: a random choice instead of the first by id
    device: str = "auto"
    threads: int | None = None  # None: each runtime's default
    iterations: int | None = None  # None: at least 10 and at least 3 s
    warmup: int = DEFAULT_WARMUP
    max_ap_difference: float | None = None  # points; None: by precision, see parity.GATES
    min_match_rate: float | None = None  # 0..1; None: by precision
    config: ModelConfig | None = None  # of the checkpoints; None: found from each
    class_names: tuple[str, ...] | None = None  # for models whose classes are only numbered
    draws_differences: bool = False  # pictures of the images that differ most from the reference


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
    accuracy: Accuracy
    detections: DetectionCounts
    timing: Timing
    memory: MemoryUse | None  # None: not measured, and a note says why
    parity: Parity | None  # None: there is no reference, or this is it
    verdict: Verdict | None
    notes: tuple[str, ...]
    differences: tuple[ImageDifference, ...] | None = None  # None: not asked for, or nothing to compare with

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

    @property
    def passed(self) -> bool:
        """Whether no model fails its parity gate."""
        return all(model.verdict is None or model.verdict.passed for model in self.models)


def run_bench(options: BenchOptions, progress: Progress = lambda what, done, total: None) -> BenchReport:
    """Measure every model of `options`; the reference is measured like the others, and comes first unless listed.

    Everything that can be wrong with the input is found before the first measurement. Raises DataError for the data
    set, ModelFileError or CheckpointError for a model, MissingDependencyError, and YolactDeployError for the rest.
    """
    Schedule(options.iterations, options.warmup)
    gate_for("fp32", options.max_ap_difference, options.min_match_rate)
    require("pycocotools", "computing AP")
    dataset = load_dataset(options.data or bundled_nano().folder, options.limit, options.seed)
    paths, reference = choose_models(options)
    mappings = _check_models(paths, options, dataset)
    bench = _Bench(options, dataset, progress, _names(paths))
    reports: dict[Path, ModelReport] = {}
    for path in sorted(paths, key=lambda path: path != reference):  # the reference first, else in order
        reports[path] = bench.measure(path, mappings[path], is_reference=path == reference)
    no_reference = "no reference, so parity was not judged: pass --reference CHECKPOINT"
    return BenchReport(
        models=tuple(reports[path] for path in paths),
        reference=None if reference is None else reports[reference].name,
        data=dataset.describe(),
        data_folder=dataset.folder,
        hardware=describe_hardware(),
        options=options,
        notes=() if reference else (no_reference,),
    )


def choose_models(options: BenchOptions) -> tuple[list[Path], Path | None]:
    """The files to measure, each once, and which of them is the reference.

    Raises YolactDeployError when there is nothing to measure, ModelFileError for a file that is not there.
    """
    given = list(options.models)
    if options.reference and options.reference.resolve() not in {path.resolve() for path in given}:
        given.insert(0, options.reference)
    if not given:
        raise YolactDeployError(
            f"no model to measure: name a checkpoint or an exported file, such as {bundled_nano().weights}"
        )
    unique: dict[Path, Path] = {}  # by what they really are
    for path in given:
        if not path.is_file():
            raise ModelFileError(f"no such file: {path}")
        unique.setdefault(path.resolve(), path)
    if options.reference:
        return list(unique.values()), unique[options.reference.resolve()]
    checkpoints = [path for path in unique.values() if path.suffix.lower() in CHECKPOINT_SUFFIXES]
    return list(unique.values()), checkpoints[0] if len(checkpoints) == 1 else None


def _names(paths: Sequence[Path]) -> dict[Path, str]:
    """File names, or whole paths where two are alike."""
    names = [path.name for path in paths]
    return {path: path.name if names.count(path.name) == 1 else str(path) for path in paths}


def _check_models(paths: Sequence[Path], options: BenchOptions, dataset: Dataset) -> dict[Path, ClassMapping]:
    """Open every model once, so that a bad one is found before hours are spent on the others."""
    configs = {}
    for path in paths:
        with _open(path, options) as predictor:
            configs[path] = predictor.metadata.config
    counts = {config.num_classes for config in configs.values()}
    if len(counts) > 1:
        listed = ", ".join(f"{path.name} has {config.num_classes}" for path, config in configs.items())
        raise ModelFileError(f"models of different class counts cannot be compared: {listed}")
    named = [config.class_names for config in configs.values() if not config.has_generic_names]
    names = options.class_names or (named[0] if named else None)

    def with_names(config: ModelConfig) -> ModelConfig:
        return config.with_class_names(names) if names and config.has_generic_names else config

    return {path: map_classes(with_names(config), dataset.categories) for path, config in configs.items()}


def _open(path: Path, options: BenchOptions) -> Predictor:
    config = options.config if path.suffix.lower() in CHECKPOINT_SUFFIXES else None
    return Predictor.open(path, device=options.device, threads=options.threads, config=config)


class _Bench:
    """Measures model after model; the first one that is the reference is what the others are compared with."""

    def __init__(self, options: BenchOptions, dataset: Dataset, progress: Progress, names: dict[Path, str]) -> None:
        self._options = options
        self._dataset = dataset
        self._progress = progress
        self._names = names
        self._truth = GroundTruth(dataset)
        self._reference: tuple[list[ImageResult], Accuracy] | None = None

    def measure(self, path: Path, mapping: ClassMapping, is_reference: bool) -> ModelReport:
        """Everything about one model."""
        name = self._names[path]
        with _open(path, self._options) as predictor:
            results = run_images(
                predictor, self._dataset.images, lambda *done: self._progress(f"{name}: accuracy", *done)
            )
            accuracy = self._truth.evaluate(results, mapping)
            timing = self._time(predictor, path)
            metadata, description = predictor.metadata, predictor.description
        memory, notes = self._memory(path)
        parity = verdict = differences = None
        if is_reference:
            self._reference = (results, accuracy)
        elif self._reference is not None:
            parity = compare(self._reference[0], results, self._reference[1], accuracy)
            gate = gate_for(metadata.precision, self._options.max_ap_difference, self._options.min_match_rate)
            verdict = judge(parity, gate)
            if self._options.draws_differences:
                names = class_titles(metadata.config, mapping, self._dataset.categories)
                differences = largest_differences(self._dataset.images, self._reference[0], results, names)
        return ModelReport(
            name=name,
            path=path,
            is_reference=is_reference,
            description=description,
            config_name=metadata.config.name,
            precision=metadata.precision,
            input_kind=metadata.input_kind,
            file_bytes=path.stat().st_size,
            accuracy=accuracy,
            detections=DetectionCounts.of(results),
            timing=timing,
            memory=memory,
            parity=parity,
            verdict=verdict,
            notes=(*mapping.notes, *notes),
            differences=differences,
        )

    def _time(self, predictor: Predictor, path: Path) -> Timing:
        options = self._options
        return time_model(
            predictor,
            path,
            timing_images(self._dataset.images),
            Schedule(options.iterations, options.warmup),
            options.device,
            options.threads,
            lambda what, *done: self._progress(f"{self._names[path]}: {what}", *done),
        )

    def _memory(self, path: Path) -> tuple[MemoryUse | None, tuple[str, ...]]:
        """Peak memory, or a note that says why it is not known."""
        options = self._options
        config = options.config if path.suffix.lower() in CHECKPOINT_SUFFIXES else None
        images = [image.path for image in self._dataset.images[:MEMORY_IMAGES]]
        self._progress(f"{self._names[path]}: memory", 0, 1)
        try:
            use = measure_peak_memory(path, images, options.device, options.threads, config)
        except YolactDeployError as error:
            return None, (str(error),)
        self._progress(f"{self._names[path]}: memory", 1, 1)
        return use, ()


def timing_images(images: Sequence[DataImage]) -> list[Image]:
    """Decoded images, spread over the data set: at most TIMING_IMAGES, as many as TIMING_BYTES hold, at least one."""
    step = -(-len(images) // TIMING_IMAGES)
    decoded: list[Image] = []
    size = 0
    for image in images[::step]:
        pixels = image.read()
        size += pixels.nbytes
        if decoded and size > TIMING_BYTES:
            break
        decoded.append(pixels)
    return decoded
