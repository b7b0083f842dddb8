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
from .options import Config, Device, Family, Force, Plugins, Threads, Trust, Verbose, read_config

if TYPE_CHECKING:
    from ..inference.options import InferOptions
    from ..inference.pipeline import PipelineReport

STATUS_INCOMPLETE = 1  # some pictures were drawn, others could not be read
STOPPING_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

SCORE = 0.3  # lowest, of what is drawn or listed
COLOR_BY = "class"

SOURCE_HELP = (
    'An image, a folder of images, a quoted glob such as "in/*.jpg", a video, a camera\'s number (0), '
    "a URL (rtsp://..., http://...), or - for JPEG and PNG files one after the other on standard input, as "
    "ffmpeg -f image2pipe writes them."
)


def run(
    source: Annotated[str, typer.Argument(help=SOURCE_HELP)],
    model: Annotated[Path, typer.Option("--model", "-m", help="A checkpoint, an .onnx file or an engine.")],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="PATH",
            help="Draw into PATH: a folder, or the name of a picture or a video. In a folder, a video becomes .mp4.",
        ),
    ] = None,
    json: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Write detections in COCO's instances format, masks as run lengths (- for stdout)."
        ),
    ] = None,
    polygons: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Write the same with masks as polygons, a hole joined to its outline (- for stdout)."
        ),
    ] = None,
    results: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Write detections in COCO's results format, for pycocotools' loadRes (- for stdout)."
        ),
    ] = None,
    annotations: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Take category ids (by name) and image ids (by file name) for the JSON files from FILE, in COCO's "
            "instances format (default: ids of the model).",
        ),
    ] = None,
    cutouts: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Write each instance as a PNG, transparent around it.")
    ] = None,
    show: Annotated[bool, typer.Option("--show", help="Show what is drawn in a window; q ends.")] = False,
    score: Annotated[
        float | None,
        typer.Option(
            min=0.0,
            max=1.0,
            help=f"Leave out detections that score less, 0..1 (default: {SCORE}; 0 if --results is the only output).",
        ),
    ] = None,
    classes: Annotated[
        str | None,
        typer.Option(metavar="LIST", help="Keep these classes: names or indices, with commas (default: all)."),
    ] = None,
    max_detections: Annotated[
        int | None, typer.Option(min=1, help="Keep at most this many detections per image, the best (default: all).")
    ] = None,
    color_by: Annotated[
        str, typer.Option(metavar="WHAT", help="Draw in one colour per class, or per instance.")
    ] = COLOR_BY,
    codec: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Encode the video with this encoder of FFmpeg, such as h264, hevc or mjpeg (default: H.264; VP9 in "
            ".webm, Motion JPEG in .avi).",
        ),
    ] = None,
    live: Annotated[
        bool,
        typer.Option(
            "--live",
            help="Take the newest frame of a URL and drop those that come too fast (default: for cameras and rtsp://).",
        ),
    ] = False,
    max_pixels: Annotated[
        int | None, typer.Option(min=1, help="Refuse images with more pixels (default: 70000000).", show_default=False)
    ] = None,
    runtime: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Runtime of an .onnx file: onnxruntime or openvino (default: onnxruntime)."),
    ] = None,
    precision: Annotated[
        str | None, typer.Option(metavar="NAME", help="With --runtime openvino: fp32 or bf16 (default: fp32).")
    ] = None,
    device: Device = "auto",
    threads: Threads = None,
    config: Config = None,
    family: Family = None,
    trust: Trust = False,
    plugins: Plugins = None,
    force: Force = False,
    verbose: Verbose = False,
) -> int:
    """Draw what a model finds in pictures, videos and cameras, or write it as JSON or cut-outs.

    Videos keep the time of each frame, and their sound where the output can hold it. Ctrl-C stops and closes the output
    files. Exit status 1: some of the source could not be read.
    """
    import cv2

    from ..draw import COLOUR_BY
    from ..images import MAX_PIXELS
    from ..inference.options import InferOptions
    from ..inference.run import InferRun
    from ..inference.selection import Selection, parse_classes
    from ..inference.sources import open_source
    from ..predictor import Predictor

    if color_by not in COLOUR_BY:
        raise ConfigError(f"unknown --color-by {color_by!r}: use one of {', '.join(COLOUR_BY)}")
    _silence_opencv()
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # PyTorch's idle threads sleep; read when it is loaded
    cv2.setNumThreads(1)  # each stage has its thread; OpenCV's own pool only takes the cores from the model
    read = [model, *(path for path in (annotations, Path(config) if config else None, plugins) if path is not None)]
    options = InferOptions(
        source, output, json, polygons, results, cutouts, show, color_by=color_by, codec=codec, annotations=annotations,
        is_live=live, max_pixels=max_pixels or MAX_PIXELS, other_inputs=tuple(read), force=force,
    )  # fmt: skip
    is_only_results = options.places == (results,)
    lowest = (0.0 if is_only_results else SCORE) if score is None else score
    notes: list[str] = []
    opened = open_source(options, notes.append)
    with Predictor.open(
        model,
        device=device,
        threads=threads,
        config=read_config(config),
        family=family,
        trust=trust,
        plugins=plugins,
        shares_cores=True,
        runtime=runtime,
        precision=precision,
    ) as predictor:
        wanted = None if classes is None else parse_classes(classes, predictor.metadata.config.class_names)
        options = replace(options, selection=Selection(lowest, wanted, max_detections))
        noun = "images" if opened.video_name is None else "frames"
        job = InferRun(predictor, options, opened, notes.append)
        with _signals_stop(job.stop) as received, console.progress(noun) as advance:
            report = job.run(advance)
    is_stdout_taken = console.STDOUT in map(str, options.files)
    with redirect_stdout(sys.stderr) if is_stdout_taken else nullcontext():
        console.explain(predictor.description)
        _tell(report, options, noun, len(opened.picture_names) or None)
        if options.files and annotations is None:
            console.say("ids in JSON are the model's: categories by class, images by name; --annotations takes yours")
    for text in notes:
        console.warn(text)
    for failure in report.failures:
        console.fail(failure)
    if received:
        signal.raise_signal(received[0])  # the files are closed: now it ends this command as any other
    return STATUS_INCOMPLETE if report.failures else 0


def _tell(report: PipelineReport, options: InferOptions, noun: str, total: int | None) -> None:
    places = ["standard output" if str(place) == console.STDOUT else str(place) for place in options.places]
    did, link = ("drawn", "into") if options.output or options.show else ("written", "to")
    where = f" {link} {', '.join(places)}" if places else ""
    of = "" if total is None else f" of {total}"
    console.say(f"{report.frames}{of} {noun} {did}{where}, {report.detections} detections")
    if report.frames:
        stages = ", ".join(f"{stage.name} {stage.fps:.1f}" for stage in report.stages)
        console.say(f"FPS of each stage: {stages}; all together {report.frames / report.seconds:.1f}")
    if report.dropped:
        console.say(f"{report.dropped} live frames came faster than the model and were left out")
    if options.results is not None and options.selection.score > 0:
        console.say(f"{options.results} holds detections from score {options.selection.score:g}: AP needs --score 0")


@contextmanager
def _signals_stop(stop: Callable[[], None]) -> Iterator[list[signal.Signals]]:
    """Ctrl-C and its like call `stop` instead of tearing files apart; the list holds those that came."""
    received: list[signal.Signals] = []
    if threading.current_thread() is not threading.main_thread():  # others get no signals
        yield received
        return

    def on_signal(number: int, frame: object) -> None:
        received.append(signal.Signals(number))
        stop()

    numbers = [number for number in STOPPING_SIGNALS if callable(signal.getsignal(number))]
    before = {number: signal.signal(number, on_signal) for number in numbers}
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _silence_opencv() -> None:
    """What OpenCV and FFmpeg print by themselves is said in our own words; -v lets them speak."""
    if console.VERBOSE.get():
        return
    os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")  # AV_LOG_QUIET
    from cv2.utils import logging

    logging.setLogLevel(logging.LOG_LEVEL_SILENT)
