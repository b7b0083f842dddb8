"""Models side by side on one data set: accuracy, errors, parity with the reference, latency, memory."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from yolact_deploy.artifacts.runtime_choice import RuntimeChoice
from yolact_deploy.benchmarks.accuracy.dataset import load_dataset
from yolact_deploy.benchmarks.assessment import Assessor, Findings, count_only
from yolact_deploy.benchmarks.hardware import describe_hardware
from yolact_deploy.benchmarks.options import BenchOptions, Progress
from yolact_deploy.benchmarks.performance.pipeline_stages import Timing
from yolact_deploy.benchmarks.performance.speed import TIMING_IMAGES, SpeedBench
from yolact_deploy.benchmarks.regression.comparison import check_names, compare_runs
from yolact_deploy.benchmarks.regression.saved import read_saved, saved_run
from yolact_deploy.benchmarks.report.json_report import to_json
from yolact_deploy.benchmarks.report.model import BenchReport, ModelReport
from yolact_deploy.benchmarks.selection import check_models, choose_models, model_names
from yolact_deploy.dependencies import require
from yolact_deploy.files import sha256_of
from yolact_deploy.telemetry import busy_notes


def run_bench(options: BenchOptions, progress: Progress = lambda what, done, total: None) -> BenchReport:
    """Measure every model of `options`; the reference is measured like the others, and comes first unless listed.

    Everything that can be wrong with the input is found before the first measurement. Raises DataError for the data set
    or the run to compare with, ModelFileError or CheckpointError for a model, MissingDependencyError, and
    YolactDeployError for the rest.
    """
    options.check()
    require("pycocotools", "computing AP")
    old = None if options.compare is None else read_saved(options.compare)
    busy = busy_notes() if options.measures_speed else ()
    dataset = load_dataset(
        options.data_folder,
        options.limit,
        options.seed,
        options.exif,
        options.skip_bad_annotations,
        options.annotations,
    )
    paths, reference = choose_models(options)
    names = model_names(paths)
    if old is not None:
        check_names(old, list(names.values()), str(options.compare))
    mappings = check_models(paths, options, dataset)
    findings: dict[Path, Findings] = {}
    if options.measures_accuracy:
        evaluated = {number for mapping in mappings.values() for number in mapping.category_ids if number is not None}
        assessor = Assessor(options, dataset, evaluated, progress, names)
        for path in sorted(paths, key=lambda path: path != reference):  # the reference first, else in order
            findings[path] = assessor.assess(path, mappings[path], is_reference=path == reference)
    else:
        images = dataset.images[:: -(-len(dataset.images) // TIMING_IMAGES)]
        for path in paths:
            findings[path] = count_only(path, options, images, mappings[path].notes, progress, names[path])
    speed = SpeedBench(options, dataset.images, progress, names)
    timings = speed.time(paths) if options.measures_speed else {}
    reports = {
        path: _model_report(path, names[path], findings[path], timings.get(path), speed, path == reference)
        for path in paths
    }
    report = BenchReport(
        models=tuple(reports.values()),
        reference=None if reference is None else reports[reference].name,
        data=dataset.describe(),
        data_folder=dataset.folder,
        hardware=describe_hardware(),
        options=options,
        notes=(*dataset.notes, *busy, *speed.machine_notes),
        busy_cores=speed.busy_cores,
    )
    if old is None:
        return report
    new = saved_run(to_json(report))
    return replace(report, comparison=compare_runs(old, new, str(options.compare), options.max_slowdown))


def _model_report(
    path: Path, name: str, findings: Findings, timing: Timing | None, speed: SpeedBench, is_reference: bool
) -> ModelReport:
    """All about one model; its memory is measured now, in a process that does nothing else."""
    memory, notes = (None, ()) if timing is None else speed.memory(path)
    metadata, file = findings.metadata, RuntimeChoice.parse(path).file
    return ModelReport(
        name=name,
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
        telemetry=speed.telemetry.get(path),
        judgement=findings.judgement,
    )
