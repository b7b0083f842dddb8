"""`yolact-deploy bench MODEL... --reference WEIGHTS`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .. import console
from ..errors import GateError
from .options import ClassNames, Config, Device, Json, Threads, Verbose, read_class_names, read_config


def run(
    models: Annotated[list[Path], typer.Argument(metavar="MODEL...", help="Checkpoints and exported .onnx files.")],
    reference: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="What the others must equal; the only checkpoint given, if left out."),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Images and a COCO-format instances.json; a bundled set if left out."),
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Images to use; all if left out.")] = None,
    seed: Annotated[int | None, typer.Option(help="With --limit: choose by chance instead of the first.")] = None,
    device: Device = "auto",
    threads: Threads = None,
    iterations: Annotated[
        int | None, typer.Option(min=1, help="Timed calls; at least 10 and at least 3 s if left out.")
    ] = None,
    warmup: Annotated[int, typer.Option(min=0, help="Calls before, not timed.")] = 5,
    max_ap_difference: Annotated[
        float | None, typer.Option(metavar="POINTS", help="Gate: AP may differ by this; by precision if left out.")
    ] = None,
    min_match_rate: Annotated[
        float | None, typer.Option(metavar="RATE", help="Gate: 0..1 of the detections match; by precision if left out.")
    ] = None,
    config: Config = None,
    class_names: ClassNames = None,
    json: Json = None,
    markdown: Annotated[
        str | None, typer.Option(metavar="FILE", help="Write a Markdown report to FILE; - is stdout.")
    ] = None,
    report_folder: Annotated[
        Path | None,
        typer.Option(
            "--report", metavar="FOLDER", help="Write report.html, with charts and pictures, and report.json."
        ),
    ] = None,
    verbose: Verbose = False,
) -> None:
    """Measure models side by side: speed, accuracy, and parity with the reference, which is a gate."""
    from ..benchmarks import report
    from ..benchmarks.bench import BenchOptions, run_bench
    from ..benchmarks.html_report.write import check_report_folder, write_report

    for target in (json, markdown):
        console.check_target(target)
    if report_folder is not None:
        check_report_folder(report_folder)
    options = BenchOptions(
        models=tuple(models),
        reference=reference,
        data=data,
        limit=limit,
        seed=seed,
        device=device,
        threads=threads,
        iterations=iterations,
        warmup=warmup,
        max_ap_difference=max_ap_difference,
        min_match_rate=min_match_rate,
        config=read_config(config),
        class_names=read_class_names(class_names),
        draws_differences=report_folder is not None,
    )
    with report.shown_progress() as progress:
        result = run_bench(options, progress)
    if json is not None:
        console.emit_json(report.to_json(result), json)
    if markdown is not None:
        console.emit_text(report.to_markdown(result), markdown)
    if report_folder is not None:
        page = write_report(report_folder, report.to_json(result), console.COMMAND_LINE.get())
    if console.STDOUT not in (json, markdown):
        report.print_report(result)
        if report_folder is not None:
            console.say(f"report: {page}")
    if not result.passed:
        raise GateError(report.summary(result))
