"""`yolact-deploy infer SOURCE --model M`: pictures, videos and cameras through a model."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, redirect_stdout
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .. import console
from ..errors import ConfigError
from .options import Config, Device, Force, Threads, Trust, Verbose, read_config

if TYPE_CHECKING:
    from ..inference.pipeline import PipelineReport
    from ..inference.run import InferOptions

STATUS_INCOMPLETE = 1  # some pictures were drawn, others could not be read
STATUS_INTERRUPTED = 130  # files are finished nevertheless

SOURCE_HELP = (
    'An image, a folder of images, a quoted glob such as "in/*.jpg", a video, a camera\'s index (0), '
    "a URL (rtsp://...), or - for JPEG and PNG files one after the other on standard input, as ffmpeg -f image2pipe "
    "writes them."
)


def run(
    source: Annotated[str, typer.Argument(help=SOURCE_HELP)],
    model: Annotated[Path, typer.Option("--model", "-m", help="A checkpoint, an .onnx file or an engine.")],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="PATH", help="Folder for what is drawn, a picture, or a video."),
    ] = None,
    json: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write detections in COCO format, masks as run lengths; - is stdout."),
    ] = None,
    polygons: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The same with masks as polygons, a hole joined to its outline.")
    ] = None,
    cutouts: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Write each instance as a PNG, transparent around it.")
    ] = None,
    show: Annotated[bool, typer.Option("--show", help="Show what is drawn in a window; q ends.")] = False,
    score: Annotated[float, typer.Option(min=0.0, max=1.0, help="Detections below it are left out.")] = 0.3,
    classes: Annotated[
        str | None, typer.Option(metavar="LIST", help="Only these classes: names or indices, with commas.")
    ] = None,
    max_detections: Annotated[int | None, typer.Option(min=1, help="Only so many of a picture, the best.")] = None,
    color_by: Annotated[str, typer.Option(metavar="WHAT", help="One colour a class, or an instance.")] = "class",
    codec: Annotated[
        str | None, typer.Option(metavar="FOURCC", help="Of the video, such as MJPG; the suffix decides if left out.")
    ] = None,
    device: Device = "auto",
    threads: Threads = None,
    config: Config = None,
    trust: Trust = False,
    force: Force = False,
    verbose: Verbose = False,
) -> int:
    """Draw what a model finds in pictures, videos and cameras, or write it as JSON or cut-outs.

    A video keeps its rate. Ctrl-C finishes the files. Exit status 1: some of the source could not be read.
    """
    import cv2

    from ..draw import COLOUR_BY
    from ..inference.run import InferOptions, InferRun, open_source
    from ..inference.selection import Selection, parse_classes
    from ..predictor import Predictor

    if color_by not in COLOUR_BY:
        raise ConfigError(f"unknown --color-by {color_by!r}: use one of {', '.join(COLOUR_BY)}")
    _silence_opencv()
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # PyTorch's idle threads sleep; read when it is loaded
    cv2.setNumThreads(1)  # each stage has its thread; OpenCV's own pool only takes the cores from the model
    options = InferOptions(source, output, json, polygons, cutouts, show, color_by=color_by, codec=codec, force=force)
    opened = open_source(options)
    with Predictor.open(
        model, device=device, threads=threads, config=read_config(config), trust=trust, shares_cores=True
    ) as predictor:
        wanted = None if classes is None else parse_classes(classes, predictor.metadata.config.class_names)
        options = replace(options, selection=Selection(score, wanted, max_detections))
        noun = "images" if opened.video_name is None else "frames"
        job = InferRun(predictor, options, opened)
        with _interrupt_stops(job.stop) as interrupted, console.progress(noun) as advance:
            report = job.run(advance)
    is_stdout_taken = console.STDOUT in (str(json), str(polygons))
    with redirect_stdout(sys.stderr) if is_stdout_taken else nullcontext():
        console.explain(predictor.description)
        _tell(report, options, noun, job.total)
    if interrupted.is_set():
        return STATUS_INTERRUPTED
    return STATUS_INCOMPLETE if report.failures else 0


def _tell(report: PipelineReport, options: InferOptions, noun: str, total: int | None) -> None:
    places = [str(place) for place in (options.output, options.json, options.polygons, options.cutouts) if place]
    places = ["standard output" if place == console.STDOUT else place for place in places]
    did, link = ("drawn", "into") if options.output or options.show else ("written", "to")
    where = f" {link} {', '.join(places)}" if places else ""
    of = "" if total is None else f" of {total}"
    console.say(f"{report.frames}{of} {noun} {did}{where}, {report.detections} detections")
    if report.frames:
        stages = ", ".join(f"{stage.name} {stage.fps:.1f}" for stage in report.stages)
        console.say(f"FPS of each stage: {stages}; all together {report.frames / report.seconds:.1f}")
    if report.dropped:
        console.say(f"{report.dropped} live frames came faster than the model and were left out")
    for failure in report.failures:
        console.fail(failure)


@contextmanager
def _interrupt_stops(stop: Callable[[], None]) -> Iterator[threading.Event]:
    """Ctrl-C calls `stop` instead of tearing files apart; the event says that it came."""
    interrupted = threading.Event()
    if threading.current_thread() is not threading.main_thread():  # others get no signals
        yield interrupted
        return

    def on_interrupt(number: int, frame: object) -> None:
        interrupted.set()
        stop()

    before = signal.signal(signal.SIGINT, on_interrupt)
    try:
        yield interrupted
    finally:
        signal.signal(signal.SIGINT, before)


def _silence_opencv() -> None:
    """What OpenCV and FFmpeg print by themselves is said in our own words; -v lets them speak."""
    if console.VERBOSE.get():
        return
    os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")  # AV_LOG_QUIET
    from cv2.utils import logging

    logging.setLogLevel(logging.LOG_LEVEL_SILENT)
