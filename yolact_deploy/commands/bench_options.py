"""The options of `bench`, as the command line names and explains them."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

_DATA, _MEASURING, _ERRORS, _GATES = "Data set", "What is measured", "Errors and thresholds", "Gates (exit status 1)"


class ExifChoice(str, Enum):
    """What to do with the orientation that a picture's EXIF tag names."""

    AUTO = "auto"
    APPLY = "apply"
    IGNORE = "ignore"


Models = Annotated[
    list[Path],
    typer.Argument(
        metavar="MODEL...",
        help="Checkpoints, exported .onnx files, engines; model.onnx@openvino and "
        "model.onnx@openvino-bf16 name a runtime.",
    ),
]
Reference = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Reference model for parity (default: the checkpoint, if exactly one is given)."),
]

Data = Annotated[
    Path | None,
    typer.Option(
        metavar="FOLDER",
        rich_help_panel=_DATA,
        help="Folder with images and annotations in COCO format: instances.json, COCO, Roboflow, CVAT, Label Studio, "
        "labelme2coco (default: a bundled set of 64 images).",
    ),
]
Annotations = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        rich_help_panel=_DATA,
        help="The annotations, in COCO format, where they are not found in the folder (default: found there).",
    ),
]
Strict = Annotated[
    bool,
    typer.Option(
        "--strict",
        rich_help_panel=_DATA,
        help="Refuse a data set with objects of categories that the model lacks (default: leave them out and say so).",
    ),
]
NoSpeed = Annotated[
    bool, typer.Option("--no-speed", rich_help_panel=_MEASURING, help="Measure accuracy alone (default: both).")
]
NoAccuracy = Annotated[
    bool, typer.Option("--no-accuracy", rich_help_panel=_MEASURING, help="Measure speed alone (default: both).")
]
Score = Annotated[
    float,
    typer.Option(
        "--score", metavar="SCORE", rich_help_panel=_ERRORS, help="Count errors of detections from this score on, 0..1."
    ),
]
Iou = Annotated[
    float,
    typer.Option(
        "--iou", metavar="IOU", rich_help_panel=_ERRORS, help="A box or a mask fits an object from this IoU on, 0..1."
    ),
]
AtPrecision = Annotated[
    float | None,
    typer.Option(
        metavar="SHARE",
        rich_help_panel=_ERRORS,
        help="Print for each class the lowest score from which precision is at least this, 0..1 (default: none).",
    ),
]
AtRecall = Annotated[
    float | None,
    typer.Option(
        metavar="SHARE",
        rich_help_panel=_ERRORS,
        help="Print for each class the highest score down to which recall is at least this, 0..1 (default: none).",
    ),
]
WriteThresholds = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        rich_help_panel=_ERRORS,
        help="Write the score of each class as JSON, for --thresholds of infer and export: that of --at-precision or "
        "--at-recall, else the one with the best F1 (default: none).",
    ),
]
Limit = Annotated[
    int | None, typer.Option(min=1, rich_help_panel=_DATA, help="Use this many images, the first by id (default: all).")
]
Seed = Annotated[
    int | None, typer.Option(rich_help_panel=_DATA, help="With --limit: choose the images at random with this seed.")
]
Exif = Annotated[
    ExifChoice,
    typer.Option(
        rich_help_panel=_DATA,
        help="EXIF orientation of the images: apply it, ignore it, or decide by the image sizes in the annotations, "
        "for the whole data set.",
    ),
]
SkipBadAnnotations = Annotated[
    bool,
    typer.Option(
        "--skip-bad-annotations",
        rich_help_panel=_DATA,
        help="Leave malformed annotations out and report how many (default: refuse the data set).",
    ),
]

Iterations = Annotated[
    int | None,
    typer.Option(
        min=1,
        rich_help_panel=_MEASURING,
        help="Timed calls, all rounds together (default: at least 10 calls and 3 s, at most 300 calls).",
    ),
]
Duration = Annotated[
    float | None,
    typer.Option(
        metavar="SECONDS", rich_help_panel=_MEASURING, help="Timed seconds, all rounds together, instead of a count."
    ),
]
Warmup = Annotated[int, typer.Option(min=0, rich_help_panel=_MEASURING, help="Untimed calls before the first round.")]
Repeats = Annotated[
    int,
    typer.Option(
        min=1,
        rich_help_panel=_MEASURING,
        help="Rounds. Models take turns. The spread of the rounds separates noise from change.",
    ),
]
Batch = Annotated[
    int | None,
    typer.Option(
        min=1,
        rich_help_panel=_MEASURING,
        help="Images per call (default: 1, or the batch of the file). Needs a file exported with --batch dynamic, or "
        "a checkpoint. FPS counts images, latency is per call.",
    ),
]
Streams = Annotated[
    int,
    typer.Option(
        min=1,
        metavar="N",
        rich_help_panel=_MEASURING,
        help="Also measure N concurrent streams, each with its own model instance. Without --threads they share the "
        "CPU cores.",
    ),
]
TargetFps = Annotated[
    float | None,
    typer.Option(
        metavar="FPS",
        rich_help_panel=_MEASURING,
        help="Also measure frames that arrive at this rate: latency from arrival to result, late and dropped frames "
        "(default: not measured).",
    ),
]

MaxApDifference = Annotated[
    float | None,
    typer.Option(
        metavar="POINTS",
        rich_help_panel=_GATES,
        help="Largest AP difference to the reference, in points (default: fp32 0.1, fp16 0.3, int8 1.0).",
    ),
]
MinMatchRate = Annotated[
    float | None,
    typer.Option(
        metavar="RATE",
        rich_help_panel=_GATES,
        help="Smallest share of matching detections, 0 to 1 (default: fp32 0.995, fp16 0.98, int8 none).",
    ),
]
Compare = Annotated[
    Path | None,
    typer.Option(
        metavar="OLD.json",
        rich_help_panel=_GATES,
        help="Show what changed since the run that wrote OLD.json with --json (default: no comparison).",
    ),
]
MaxSlowdown = Annotated[
    str | None,
    typer.Option(
        metavar="PERCENT",
        rich_help_panel=_GATES,
        help="With --compare: fail when a model is slower by more than this, such as 5%, and by more than noise "
        "(default: no limit).",
    ),
]

Markdown = Annotated[
    str | None,
    typer.Option(metavar="FILE", help="Write a Markdown report to FILE; - is standard output (default: none)."),
]
Junit = Annotated[
    str | None,
    typer.Option(
        metavar="FILE", help="Write gates and hints as JUnit XML, which CI systems show, to FILE (default: none)."
    ),
]
ReportFolder = Annotated[
    Path | None,
    typer.Option(
        "--report",
        metavar="FOLDER",
        help="Write report.html, with charts and pictures, and report.json to FOLDER (default: none).",
    ),
]
