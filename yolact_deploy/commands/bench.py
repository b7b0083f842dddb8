"""`yolact-deploy bench MODEL... --reference WEIGHTS`."""

from __future__ import annotations

from pathlib import Path

from .. import console
from ..errors import GateError
from . import bench_options as given
from .options import (
    ClassNames,
    Config,
    Device,
    Family,
    Force,
    Json,
    Plugins,
    Threads,
    Trust,
    Verbose,
    read_class_names,
    read_config,
)


def run(
    models: given.Models,
    reference: given.Reference = None,
    data: given.Data = None,
    annotations: given.Annotations = None,
    limit: given.Limit = None,
    seed: given.Seed = None,
    exif: given.Exif = given.ExifChoice.AUTO,
    skip_bad_annotations: given.SkipBadAnnotations = False,
    strict: given.Strict = False,
    no_speed: given.NoSpeed = False,
    no_accuracy: given.NoAccuracy = False,
    score: given.Score = 0.3,
    iou: given.Iou = 0.5,
    at_precision: given.AtPrecision = None,
    at_recall: given.AtRecall = None,
    write_thresholds: given.WriteThresholds = None,
    device: Device = "auto",
    threads: Threads = None,
    iterations: given.Iterations = None,
    duration: given.Duration = None,
    warmup: given.Warmup = 5,
    repeats: given.Repeats = 3,
    batch: given.Batch = None,
    streams: given.Streams = 1,
    target_fps: given.TargetFps = None,
    max_ap_difference: given.MaxApDifference = None,
    min_match_rate: given.MinMatchRate = None,
    compare: given.Compare = None,
    max_slowdown: given.MaxSlowdown = None,
    config: Config = None,
    family: Family = None,
    trust: Trust = False,
    plugins: Plugins = None,
    class_names: ClassNames = None,
    json: Json = None,
    markdown: given.Markdown = None,
    junit: given.Junit = None,
    report_folder: given.ReportFolder = None,
    force: Force = False,
    verbose: Verbose = False,
) -> None:
    """Measure models side by side: speed, accuracy, errors and their causes, and parity with the reference, a gate."""
    from ..benchmarks.bench import BenchOptions, run_bench
    from ..benchmarks.regression.comparison import read_percentage
    from ..benchmarks.report import targets
    from ..benchmarks.report.progress import shown_progress
    from ..benchmarks.report.text import print_report
    from ..benchmarks.report.wording import failures

    options = BenchOptions(
        models=tuple(models),
        reference=reference,
        data=data,
        annotations=annotations,
        limit=limit,
        seed=seed,
        exif=exif.value,
        skip_bad_annotations=skip_bad_annotations,
        strict=strict,
        measures_speed=not no_speed,
        measures_accuracy=not no_accuracy,
        score=score,
        iou=iou,
        at_precision=at_precision,
        at_recall=at_recall,
        device=device,
        threads=threads,
        iterations=iterations,
        warmup=warmup,
        duration=duration,
        repeats=repeats,
        batch=batch,
        streams=streams,
        target_fps=target_fps,
        max_ap_difference=max_ap_difference,
        min_match_rate=min_match_rate,
        compare=compare,
        max_slowdown=None if max_slowdown is None else read_percentage(max_slowdown),
        config=read_config(config),
        family=family,
        trust=trust,
        plugins=plugins,
        class_names=read_class_names(class_names),
        draws_pictures=report_folder is not None,
    )
    settings = [Path(value) for value in (config, class_names) if value is not None]
    wanted = targets.ReportTargets(json, markdown, report_folder, junit, write_thresholds, force)
    options.check()
    wanted.check_demands(options)
    wanted.check([*settings, *targets.files_read(options)])
    with shown_progress() as progress:
        result = run_bench(options, progress)
    written = wanted.write(result, console.COMMAND_LINE.get())
    if console.STDOUT not in (json, markdown):
        print_report(result, written)
    if not result.passed:
        raise GateError("; ".join(failures(result)))
