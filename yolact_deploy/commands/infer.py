"""`yolact-deploy infer SOURCE --model M`: pictures, videos and cameras through a model."""

from __future__ import annotations

import signal
import sys
from contextlib import nullcontext, redirect_stdout
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .. import console
from ..errors import ConfigError
from . import infer_outputs as outputs
from .infer_options import (
    Every,
    Listing,
    Merge,
    Rate,
    Raw,
    Roi,
    Shards,
    ShardSize,
    Workers,
    check_together,
    read_rate,
)
from .infer_setup import prepare_libraries, signals_stop, tell_ids
from .options import (
    ClassNames,
    Config,
    Device,
    Family,
    Force,
    MaxPixels,
    Plugins,
    Threads,
    Thresholds,
    Trust,
    Verbose,
    read_class_names,
    read_config,
)

if TYPE_CHECKING:
    from ..inference.options import InferOptions
    from ..inference.pipeline import PipelineReport

STATUS_INCOMPLETE = 1  # some pictures were drawn, others could not be read

SCORE = 0.3  # lowest, of what is drawn or listed
COLOR_BY = "class"

SOURCE_HELP = (
    'An image, a folder of images, a quoted glob such as "in/*.jpg", a video, a camera\'s number (0), '
    "a URL (rtsp://..., http://...), or - for standard input: JPEG and PNG files one after the other, as "
    "ffmpeg -f image2pipe writes them, or YUV4MPEG2 video, as y4menc and ffmpeg -f yuv4mpegpipe write it."
)


def run(
    source: Annotated[str | None, typer.Argument(help=SOURCE_HELP, show_default=False)] = None,
    model: Annotated[
        Path | None, typer.Option("--model", "-m", help="A checkpoint, an .onnx file or an engine.", show_default=False)
    ] = None,
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
    label_studio: outputs.LabelStudio = None,
    label_studio_prefix: outputs.LabelStudioPrefix = None,
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
    thresholds: Thresholds = None,
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
    listing: Listing = None,
    every: Every = None,
    roi: Roi = None,
    raw: Raw = None,
    rate: Rate = None,
    shards: Shards = None,
    workers: Workers = None,
    shard_size: ShardSize = None,
    merge: Merge = None,
    max_pixels: MaxPixels = None,
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
    class_names: ClassNames = None,
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
    from ..config.thresholds import given_thresholds, thresholds_files
    from ..draw import COLOUR_BY
    from ..images import MAX_PIXELS
    from ..inference.options import InferOptions
    from ..inference.region import Region
    from ..inference.run import InferRun
    from ..inference.selection import select
    from ..inference.sources import open_source
    from ..predictor import Predictor
    from ..types import ImageSize
    from .infer_shards import run_merge, run_shards

    if color_by not in COLOUR_BY:
        raise ConfigError(f"unknown --color-by {color_by!r}: use one of {', '.join(COLOUR_BY)}")
    check_together(source, model, listing, shards, workers, shard_size, merge)
    prepare_libraries()
    settings = (
        Path(value) for value in (model, annotations, config, plugins, class_names, listing) if value is not None
    )
    read = (*settings, *thresholds_files(thresholds or ()))
    options = InferOptions(
        source or "", output, json, polygons, results, cutouts, show, shards, color_by=color_by, codec=codec,
        annotations=annotations, region=Region.parse(roi) if roi is not None else None, every=every or 1,
        listing=listing, raw_size=None if raw is None else ImageSize.parse(raw), rate=read_rate(rate), is_live=live,
        label_studio=outputs.label_studio_target(label_studio, label_studio_prefix),
        max_pixels=max_pixels or MAX_PIXELS, other_inputs=read, force=force,
    )  # fmt: skip
    if merge is not None:
        return run_merge(merge, options)
    is_only_results = options.places == (results,)
    default = 0.0 if is_only_results or score is not None else SCORE
    choose = partial(select, default=default, classes=classes, max_detections=max_detections)
    opening: dict[str, Any] = {
        "device": device, "threads": threads, "config": read_config(config), "trust": trust, "plugins": plugins,
        "shares_cores": True, "runtime": runtime, "precision": precision, "score_threshold": score or 0.0,
        "thresholds": given_thresholds(thresholds), "class_names": read_class_names(class_names), "family": family,
    }  # fmt: skip
    assert model is not None
    if shards is not None:
        return run_shards(shards, workers, shard_size, options, model, opening, choose)
    notes: list[str] = []
    opened = open_source(options, notes.append)
    with Predictor.open(model, **opening) as predictor:
        options = replace(options, selection=choose(predictor))
        scores = outputs.score_lines(options, predictor, default)
        noun = "images" if opened.video_name is None else "frames"
        job = InferRun(predictor, options, opened, notes.append)
        with signals_stop(job.stop) as received, console.progress(noun) as advance:
            report = job.run(advance)
    is_stdout_taken = console.STDOUT in map(str, options.files)
    with redirect_stdout(sys.stderr) if is_stdout_taken else nullcontext():
        console.explain(predictor.description)
        _tell(report, options, noun, len(opened.picture_names) or None)
        tell_ids(options)
        for text in scores:
            console.say(text)
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
