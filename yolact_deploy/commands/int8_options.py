"""The options of int8 that `convert-precision` and `build-engine` share."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .. import console
from ..artifacts.quantization import CPU_LAYOUT, LAYOUTS, TENSORRT_LAYOUT
from ..errors import ConfigError
from ..machine import gpu_from_driver

if TYPE_CHECKING:
    from ..export.precision.int8.convert import Int8Options, StatisticsSource

_PANEL = "int8"

Calibration = Annotated[
    Path | None,
    typer.Option(
        "--calibration",
        metavar="FOLDER",
        rich_help_panel=_PANEL,
        help="Calibrate on pictures of this folder, or data set, like those that the model will see.",
    ),
]
Images = Annotated[
    int | None,
    typer.Option(
        "--images",
        metavar="N",
        rich_help_panel=_PANEL,
        help="Pictures to calibrate on, spread over FOLDER (default: 128).",
    ),
]
Method = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        rich_help_panel=_PANEL,
        help="Choice of ranges: minmax, percentile, entropy or mse (default: minmax).",
    ),
]
StatisticsFile = Annotated[
    Path | None,
    typer.Option(
        "--statistics",
        metavar="FILE",
        rich_help_panel=_PANEL,
        help="Save the statistics of --calibration as JSON; without --calibration, read them.",
    ),
]
Keep = Annotated[
    str | None,
    typer.Option(
        metavar="STAGE[,STAGE]",
        rich_help_panel=_PANEL,
        help="Keep these stages in float: C3, C4, C5, P3 to P7, proto, loc, conf, coef (default: none).",
    ),
]
Recipe = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        rich_help_panel=_PANEL,
        help="yolact-edge: backbone and prototype net in int8, the rest in fp16 (default: none).",
    ),
]


def read_int8_options(
    layout: str | None, method: str | None, fp16: bool, keep: str | None, recipe: str | None
) -> Int8Options:
    """What the options ask for. layout None: TensorRT's with a GPU, fp16 or a recipe, else the CPU's.

    Raises ConfigError.
    """
    from ..export.precision.int8.convert import Int8Options

    is_mixed = fp16 or recipe is not None
    if layout is None:
        layout = TENSORRT_LAYOUT if is_mixed or gpu_from_driver() is not None else CPU_LAYOUT
    if layout not in LAYOUTS:
        raise ConfigError(f"--layout {layout}: use {' or '.join(LAYOUTS)}")
    kept = tuple(name.strip() for name in keep.split(",")) if keep is not None else ()
    options = Int8Options(layout=layout, rest="fp16" if is_mixed else "fp32", kept=kept, recipe=recipe)
    return options if method is None else replace(options, method=method)


def read_statistics_source(
    calibration: Path | None, images: int | None, statistics: Path | None, options: Int8Options
) -> StatisticsSource:
    """Where the statistics come from. Raises ConfigError for options that say nothing together."""
    from ..export.precision.int8.calibration import Calibration as Pictures
    from ..export.precision.int8.convert import StatisticsSource

    if calibration is None:
        if images is not None:
            raise ConfigError("--images is about --calibration: name a folder, or leave it out")
        return StatisticsSource(None, statistics)
    pictures = Pictures(calibration, method=options.method)
    return StatisticsSource(pictures if images is None else replace(pictures, pictures=images), statistics)


def refuse_without_int8(**given: object) -> None:
    """Raises ConfigError for an option that is about int8 and was given without --int8; names with underscores."""
    for name, value in given.items():
        if value is not None:
            raise ConfigError(f"--{name.replace('_', '-')} is about int8: add --int8, or leave it out")


def note_slow_cpu() -> None:
    """Say that int8 will be slow on a CPU without the instructions for it."""
    from ..machine import has_int8_instructions

    if has_int8_instructions() is False:
        console.warn(
            "this CPU has no int8 dot product (VNNI): int8 is slow on it and may be less exact; fp32 is faster"
        )
