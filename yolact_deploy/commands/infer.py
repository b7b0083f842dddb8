"""`yolact-deploy infer SOURCE --model M -o FOLDER`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .. import console
from ..errors import ImageError
from .options import Config, Device, Force, Threads, Trust, Verbose, read_config

STATUS_INCOMPLETE = 1  # some pictures were drawn, others could not be read


def run(
    source: Annotated[str, typer.Argument(help='An image, a folder of images, or a quoted glob such as "in/*.jpg".')],
    model: Annotated[Path, typer.Option("--model", "-m", help="A checkpoint, an .onnx file or an engine.")],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FOLDER", help="Where the pictures go.")],
    score: Annotated[float, typer.Option(min=0.0, max=1.0, help="Detections below it are not drawn.")] = 0.3,
    device: Device = "auto",
    threads: Threads = None,
    config: Config = None,
    trust: Trust = False,
    force: Force = False,
    verbose: Verbose = False,
) -> int:
    """Draw what a model finds, with masks, boxes and labels."""
    from ..infer import find_images, infer_images, plan_outputs
    from ..predictor import Predictor

    images = find_images(source)
    with Predictor.open(
        model, device=device, threads=threads, score_threshold=score, config=read_config(config), trust=trust
    ) as predictor:
        plan = plan_outputs(images, output, force)
        console.explain(predictor.description)
        with console.progress("images") as advance:
            report = infer_images(predictor, plan, advance)
    for drawn in report.drawn:
        console.explain(f"{drawn.source} -> {drawn.target}: {drawn.num_detections} detections")
    if not report.drawn and len(report.failures) == 1:
        raise ImageError(report.failures[0])
    detections = sum(drawn.num_detections for drawn in report.drawn)
    console.say(f"{len(report.drawn)} of {len(plan)} images drawn into {output}, {detections} detections")
    for failure in report.failures:
        console.fail(failure)
    return STATUS_INCOMPLETE if report.failures else 0
