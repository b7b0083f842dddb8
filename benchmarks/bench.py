"""Models side by side on one data set: accuracy, parity with the reference, latency, memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from yolact_deploy.artifacts.metadata import ModelMetadata
from yolact_deploy.artifacts.runtime_choice import RuntimeChoice
from yolact_deploy.benchmarks.accuracy.average_precision import Accuracy, GroundTruth
from yolact_deploy.benchmarks.accuracy.classes import ClassMapping, class_titles
from yolact_deploy.benchmarks.accuracy.dataset import DataImage, Dataset, bundled_nano, load_dataset
from yolact_deploy.benchmarks.accuracy.differences import ImageDifference, largest_differences
from yolact_deploy.benchmarks.accuracy.image_results import ImageResult, run_images
from yolact_deploy.benchmarks.accuracy.parity import Parity, Verdict, compare, gate_for, judge
from yolact_deploy.benchmarks.hardware import available_cores, describe_hardware
from yolact_deploy.benchmarks.options import BenchOptions, Progress
from yolact_deploy.benchmarks.performance.load import (
    Throughput,
    measure_arrivals,
    measure_streams,
    pytorch_threads_kept,
    threads_each,
)
from yolact_deploy.benchmarks.performance.memory import MemoryUse, measure_peak_memory
from yolact_deploy.benchmarks.performance.pipeline_stages import Timing
from yolact_deploy.benchmarks.performance.timed_model import TimedModel, Watching, time_in_turns
from yolact_deploy.benchmarks.regression.comparison import check_names, compare_runs
from yolact_deploy.benchmarks.regression.saved import read_saved, saved_run
from yolact_deploy.benchmarks.report.json_report import to_json
from yolact_deploy.benchmarks.report.model import BenchReport, DetectionCounts, ModelReport
from yolact_deploy.benchmarks.selection import (
    check_models,
    choose_models,
    config_of,
    family_of,
    model_names,
    open_model,
    plugins_of,
)
from yolact_deploy.dependencies import require
from yolact_deploy.errors import YolactDeployError
from yolact_deploy.files import sha256_of
from yolact_deploy.predictor import Predictor
from yolact_deploy.telemetry import Monitor, Telemetry, busy_notes, machine_notes, open_sources
from yolact_deploy.telemetry.cpu import OtherProcesses, busy_warning
from yolact_deploy.types import Image

TIMING_IMAGES = 64  # at most, spread over the data set
TIMING_BYTES = 256 << 20  # 256 MiB: what the decoded images may take together
MEMORY_IMAGES = 3


def run_bench(options: BenchOptions, progress: Progress = lambda what, done, total: None) -> BenchReport:
    """Measure every model of `options`; the reference is measured like the others, and comes first unless listed.

    Everything that can be wrong with the input is found before the first measurement. Raises DataError for the data set
    or the run to compare with, ModelFileError or CheckpointError for a model, MissingDependencyError, and
    YolactDeployError for the rest.
    """
    options.check()
    require("pycocotools", "computing AP")
    old = None if options.compare is None else read_saved(options.compare)
    busy = busy_notes()
    dataset = load_dataset(
        options.data or bundled_nano().folder,
        options.limit,
        options.seed,
        options.exif,
        options.skip_bad_annotations,
    )
    paths, reference = choose_models(options)
    names = model_names(paths)
    if old is not None:
        check_names(old, list(names.values()), str(options.compare))
    mappings = check_models(paths, options, dataset)
    evaluated = {number for mapping in mappings.values() for number in mapping.category_ids if number is not None}
    bench = _Bench(options, dataset, evaluated, progress, names)
    findings: dict[Path, _Findings] = {}
    for path in sorted(paths, key=lambda path: path != reference):  # the reference first, else in order
        findings[path] = bench.assess(path, mappings[path], is_reference=path == reference)
    timings = bench.time(paths)
    reports = {
        path: bench.report(path, findings[path], timings[path], is_reference=path == reference) for path in paths
    }
    report = BenchReport(
        models=tuple(reports.values()),
        reference=None if reference is None else reports[reference].name,
        data=dataset.describe(),
        data_folder=dataset.folder,
        hardware=describe_hardware(),
        options=options,
        notes=(*dataset.notes, *busy, *bench.machine_notes),
        busy_cores=bench.busy_cores,
    )
    if old is None:
        return report
    new = saved_run(to_json(report))
    return replace(report, comparison=compare_runs(old, new, str(options.compare), options.max_slowdown))


@dataclass(frozen=True)
class _Findings:
    """What a model finds in the images, and how good that is."""

    metadata: ModelMetadata
    description: str
    accuracy: Accuracy
    detections: DetectionCounts
    parity: Parity | None
    verdict: Verdict | None
    differences: tuple[ImageDifference, ...] | None
    notes: tuple[str, ...]


class _Bench:
    """Runs model after model on the data set; the first one that is the reference is what the others are compared with.
    Then times all of them in turns."""

    def __init__(
        self,
        options: BenchOptions,
        dataset: Dataset,
        category_ids: set[int],
        progress: Progress,
        names: dict[Path, str],
    ) -> None:
        """category_ids: those of `dataset` to evaluate."""
        self._options = options
        self._dataset = dataset
        self._progress = progress
        self._names = names
        self._truth = GroundTruth(dataset, category_ids)
        self._reference: tuple[list[ImageResult], Accuracy] | None = None
        self._telemetry: dict[Path, Telemetry | None] = {}
        self.machine_notes: tuple[str, ...] = ()  # what this machine does not tell of power and temperature
        self.busy_cores: float | None = None  # see BenchReport

    def assess(self, path: Path, mapping: ClassMapping, is_reference: bool) -> _Findings:
        """Detections, accuracy and parity of one model."""
        with open_model(path, self._options) as predictor:
            results = run_images(
                predictor, self._dataset.images, lambda *done: self._progress(f"{self._names[path]}: accuracy", *done)
            )
            metadata, description = predictor.metadata, predictor.description
        accuracy = self._truth.evaluate(results, mapping)
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
        counts = DetectionCounts.of(results)
        return _Findings(metadata, description, accuracy, counts, parity, verdict, differences, tuple(mapping.notes))

    def time(self, paths: Sequence[Path]) -> dict[Path, Timing]:
        """Latency of all models in turns, then what was asked for under load, model by model."""
        images = timing_images(self._dataset.images)
        schedule = self._options.schedule
        with ExitStack() as stack:
            sources = open_sources()
            self.machine_notes = tuple(machine_notes(sources))
            monitor = stack.enter_context(Monitor(sources))
            others = OtherProcesses()
            records = {path: monitor.record() for path in paths}
            models = {
                path: self._timed_model(path, images, stack, partial(monitor.watching, record))
                for path, record in records.items()
            }
            timings = dict(zip(paths, time_in_turns(list(models.values()), schedule), strict=True))
            for path, model in models.items():
                self._telemetry[path] = monitor.telemetry(records[path], model.predictor.runtime.device == "cuda")
            for path, model in models.items():
                if self._options.streams > 1:
                    timings[path] = replace(timings[path], throughput=self._throughput(path, model))
                if self._options.target_fps is not None:
                    arrivals = measure_arrivals(
                        model.call,
                        self._options.target_fps,
                        model.images_per_call,
                        schedule,
                        self._advance(path, "arriving frames"),
                    )
                    timings[path] = replace(timings[path], arrivals=arrivals)
            self.busy_cores = others.cores()
            busy = busy_warning(self.busy_cores)
            self.machine_notes += (busy,) if busy else ()
        return timings

    def report(self, path: Path, findings: _Findings, timing: Timing, is_reference: bool) -> ModelReport:
        """All about one model; its memory is measured now, in a process that does nothing else."""
        memory, notes = self._memory(path)
        metadata, file = findings.metadata, RuntimeChoice.parse(path).file
        return ModelReport(
            name=self._names[path],
            path=path,
            is_reference=is_reference,
            description=findings.description,
            config_name=metadata.config.name,
            precision=metadata.precision,
            input_kind=metadata.input_kind,
            file_bytes=file.stat().st_size,
            accuracy=findings.accuracy,
            detections=findings.detections,
            timing=timing,
            memory=memory,
            parity=findings.parity,
            verdict=findings.verdict,
            notes=(*findings.notes, *notes),
            sha256=sha256_of(file),
            differences=findings.differences,
            telemetry=self._telemetry[path],
        )

    def _timed_model(self, path: Path, images: Sequence[Image], stack: ExitStack, watching: Watching) -> TimedModel:
        options = self._options
        return TimedModel(
            stack.enter_context(open_model(path, options)),
            path,
            images,
            options.device,
            options.threads,
            options.batch,
            lambda what, *done: self._progress(f"{self._names[path]}: {what}", *done),
            watching,
        )

    def _throughput(self, path: Path, model: TimedModel) -> Throughput:
        """Several callers, each with the model opened for itself."""
        options = self._options
        threads = threads_each(options.streams, options.threads, available_cores())
        with ExitStack() as stack, pytorch_threads_kept():
            predictors = [stack.enter_context(open_model(path, options, threads)) for _ in range(options.streams)]

            def calls_of(predictor: Predictor) -> Callable[[int], None]:
                return lambda index: model.call(index, predictor)

            rounds, origin = measure_streams(
                [calls_of(predictor) for predictor in predictors],
                options.schedule,
                self._advance(path, f"{options.streams} streams"),
            )
        return Throughput.of(rounds, model.images_per_call, options.streams, threads, origin)

    def _advance(self, path: Path, what: str) -> Callable[[int, int], None]:
        return lambda done, total: self._progress(f"{self._names[path]}: {what}", done, total)

    def _memory(self, path: Path) -> tuple[MemoryUse | None, tuple[str, ...]]:
        """Peak memory, or a note that says why it is not known."""
        options = self._options
        images = [image.path for image in self._dataset.images[:MEMORY_IMAGES]]
        self._progress(f"{self._names[path]}: memory", 0, 1)
        try:
            use = measure_peak_memory(
                path,
                images,
                options.device,
                options.threads,
                config_of(path, options),
                options.trust,
                plugins_of(path, options),
                family_of(path, options),
            )
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
