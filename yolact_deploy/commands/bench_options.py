"""The options of `bench`, as the command line names and explains them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

_MEASURING, _GATES = "What is timed", "Gates (exit status 1)"

Models = Annotated[list[Path], typer.Argument(metavar="MODEL...", help="Checkpoints, exported .onnx files, engines.")]
Reference = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="What the others must equal; the only checkpoint given, if left out."),
]
Data = Annotated[
    Path | None,
    typer.Option(metavar="FOLDER", help="Images and a COCO-format instances.json; a bundled set if left out."),
]
Limit = Annotated[int | None, typer.Option(min=1, help="Images to use; all if left out.")]
Seed = Annotated[int | None, typer.Option(help="With --limit: choose by chance instead of the first.")]

Iterations = Annotated[
    int | None,
    typer.Option(
        min=1,
        rich_help_panel=_MEASURING,
        help="Timed calls, in all rounds together; at least 10 and at least 3 s if left out.",
    ),
]
Duration = Annotated[
    float | None,
    typer.Option(metavar="SECONDS", rich_help_panel=_MEASURING, help="Time for so long, all rounds together, instead."),
]
Warmup = Annotated[int, typer.Option(min=0, rich_help_panel=_MEASURING, help="Calls before, not timed.")]
Repeats = Annotated[
    int,
    typer.Option(
        min=1,
        rich_help_panel=_MEASURING,
        help="Rounds, going from model to model; their spread tells noise from change.",
    ),
]
Batch = Annotated[
    int | None,
    typer.Option(
        min=1,
        rich_help_panel=_MEASURING,
        help="Images a call; of files exported with --batch dynamic, of checkpoints any. FPS is of images, latency of "
        "a call.",
    ),
]
Streams = Annotated[
    int,
    typer.Option(
        min=1,
        rich_help_panel=_MEASURING,
        help="Also time so many callers at the same time, each with the model opened for itself; without --threads "
        "they share the CPU's cores.",
    ),
]
TargetFps = Annotated[
    float | None,
    typer.Option(
        metavar="FPS",
        rich_help_panel=_MEASURING,
        help="Also time frames that arrive at this rate, from arrival to result; counts late and dropped ones.",
    ),
]

MaxApDifference = Annotated[
    float | None,
    typer.Option(metavar="POINTS", rich_help_panel=_GATES, help="AP may differ by this; by precision if left out."),
]
MinMatchRate = Annotated[
    float | None,
    typer.Option(
        metavar="RATE", rich_help_panel=_GATES, help="0..1 of the detections match; by precision if left out."
    ),
]
Compare = Annotated[
    Path | None,
    typer.Option(
        metavar="OLD.json",
        rich_help_panel=_GATES,
        help="Show what changed since the run that wrote this with --json, and whether it is more than noise.",
    ),
]
MaxSlowdown = Annotated[
    str | None,
    typer.Option(
        metavar="PERCENT",
        rich_help_panel=_GATES,
        help="With --compare: a model may be slower than then by this, such as 5%, if it is not just noise.",
    ),
]

Markdown = Annotated[str | None, typer.Option(metavar="FILE", help="Write a Markdown report to FILE; - is stdout.")]
ReportFolder = Annotated[
    Path | None,
    typer.Option("--report", metavar="FOLDER", help="Write report.html, with charts and pictures, and report.json."),
]
