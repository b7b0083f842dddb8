"""Options of `infer` that say which pictures and frames are read, and the job of many workers."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Annotated

import typer

from ..errors import ConfigError

MAX_WORKERS = 256
MAX_RATE = 1000  # frames per second
_SHARD_SIZE = 256  # pictures; inference.shards.job has it for Python

Listing = Annotated[
    Path | None,
    typer.Option(
        "--list",
        metavar="FILE",
        help="Read the pictures that FILE names, one path per line, relative to SOURCE (default: the current folder).",
    ),
]
Shards = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        help="Share the pictures with every process that is started with the same DIR, on this machine and others, and "
        "keep the results there for --merge. Starting again goes on where it stopped.",
    ),
]
Workers = Annotated[
    int | None,
    typer.Option(min=1, max=MAX_WORKERS, help="With --shards: processes on this machine (default: 1)."),
]
ShardSize = Annotated[
    int | None,
    typer.Option(
        min=1,
        max=10_000,
        help=f"With --shards: pictures that are claimed, and lost by a kill, together (default: {_SHARD_SIZE}).",
    ),
]
Merge = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR", help="Write --json, --polygons or --results from the finished shards in DIR; takes no SOURCE."
    ),
]
Every = Annotated[
    int | None,
    typer.Option(min=1, metavar="N", help="Of a video or a stream, take the first of every N frames (default: 1)."),
]
Roi = Annotated[
    str | None,
    typer.Option(
        metavar="X,Y,W,H",
        help="Look at this rectangle of each frame, px; detections are in coordinates of the whole frame (default: "
        "all of it).",
    ),
]
Raw = Annotated[
    str | None,
    typer.Option(
        metavar="WxH",
        help="Read frames of W x H px, 3 bytes per pixel (B, G, R), with nothing between them, from standard input or "
        "a file (default: the source tells what it is).",
    ),
]
Rate = Annotated[
    str | None,
    typer.Option(
        metavar="FPS",
        help="Of raw and YUV4MPEG2 video: frames per second, such as 30 or 30000/1001 (default: as it tells, or 25).",
    ),
]


def check_together(
    source: str | None,
    model: Path | None,
    listing: Path | None,
    shards: Path | None,
    workers: int | None,
    shard_size: int | None,
    merge: Path | None,
) -> None:
    """Raises ConfigError for options that do not go together, or lack one."""
    if shards is None and (workers is not None or shard_size is not None):
        raise ConfigError(f"{'--shard-size' if workers is None else '--workers'} needs --shards DIR")
    if merge is not None:
        given = {"SOURCE": source, "--model": model, "--list": listing, "--shards": shards}
        for name, value in given.items():
            if value is not None:
                raise ConfigError(f"--merge takes no {name}: it joins what the job in {merge} has found already")
        return
    if source is None and listing is None:
        raise ConfigError("the source is missing: name an image, a folder, a video, a camera's number, a URL or -")
    if model is None:
        raise ConfigError("--model is missing: name a checkpoint, an .onnx file or an engine")


def read_rate(text: str | None) -> Fraction | None:
    """Frames per second. Raises ConfigError."""
    if text is None:
        return None
    try:
        rate = Fraction(text) if len(text) < 20 and "e" not in text.lower() else Fraction(0)
    except (ValueError, ZeroDivisionError):
        rate = Fraction(0)
    if not 0 < rate <= MAX_RATE:
        raise ConfigError(f"--rate {text[:20]}: frames per second, above 0, up to {MAX_RATE}, such as 25 or 30000/1001")
    return rate
