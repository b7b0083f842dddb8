"""Options that several commands share, and the reading of their values."""

from __future__ import annotations

import os
import re
import reprlib
from pathlib import Path
from typing import Annotated

import typer

from .. import console
from ..checkpoints.families.names import FAMILY_NAMES
from ..config.model import NAMED_CONFIGS, ModelConfig
from ..config.values import read_text
from ..errors import ConfigError

MAX_THREADS = 1024  # more than any machine has cores; a runtime would start them all
CONFIG_FILE_SUFFIXES = (".json", ".yaml", ".yml")


def _set_verbose(wanted: bool) -> bool:
    if wanted:
        console.set_verbose(True)
    return wanted


Verbose = Annotated[
    bool, typer.Option("--verbose", "-v", help="Print details, and the traceback of an error.", callback=_set_verbose)
]
Force = Annotated[bool, typer.Option("--force", help="Replace output files that exist.")]
Device = Annotated[str, typer.Option(help="auto (CUDA if present, else CPU), cpu or cuda.", metavar="DEVICE")]
Trust = Annotated[
    bool,
    typer.Option(
        "--trust", help="Open an engine that has no manifest. An engine file can run any code. Needs --config."
    ),
]
Plugins = Annotated[
    Path | None,
    typer.Option(
        "--plugins",
        metavar="FILE",
        help="Plugin library for engines (default: the one beside the engine, else that of build-plugins).",
    ),
]
MaxPixels = Annotated[
    int | None,
    typer.Option("--max-pixels", min=1, help="Refuse images with more pixels (default: 70000000).", show_default=False),
]
Threads = Annotated[
    int | None, typer.Option(min=1, max=MAX_THREADS, help="CPU threads (default: chosen by the runtime).")
]
Config = Annotated[
    str | None,
    typer.Option(
        "--config",
        metavar="NAME_OR_FILE",
        help=f"Configuration: a JSON or YAML file, or one of {', '.join(NAMED_CONFIGS)} (default: found from the "
        "checkpoint).",
    ),
]
Family = Annotated[
    str | None,
    typer.Option(
        "--family",
        metavar="NAME",
        help=f"Code that wrote the checkpoint: {', '.join(FAMILY_NAMES)} (default: found from its tensors).",
    ),
]
ClassNames = Annotated[
    str | None,
    typer.Option(
        "--class-names",
        metavar="FILE_OR_LIST",
        help="Class names: a file with one name per line, or a list such as screw,nut,bolt (default: those of the "
        "model).",
    ),
]
Thresholds = Annotated[
    list[str] | None,
    typer.Option(
        "--thresholds",
        metavar="FILE_OR_NAME=SCORE",
        help="Lowest score of each class, 0..1: a JSON file such as bench --write-thresholds writes, or bolt=0.43; may "
        "be repeated. Of the classes that it names it decides alone (default: those in the model's file).",
    ),
]
Json = Annotated[
    str | None, typer.Option("--json", metavar="FILE", help="Write the result as JSON to FILE (- for stdout).")
]


def read_config(value: str | None) -> ModelConfig | None:
    """The configuration that `--config` names. Raises ConfigError."""
    if value is None:
        return None
    path = Path(value)
    is_file = path.suffix.lower() in CONFIG_FILE_SUFFIXES or os.path.isfile(value)
    return ModelConfig.from_file(path) if is_file else ModelConfig.named(value)


def read_class_names(value: str | None) -> tuple[str, ...] | None:
    """Class names from a file, one per line, or from a list with commas. Raises ConfigError."""
    if value is None:
        return None
    path = Path(value)
    if os.path.isfile(value):  # False, not an error, for a list of names too long for a path
        lines = read_text(path, "file of class names").strip().splitlines()
    elif "," not in value and (path.suffix or len(path.parts) > 1):
        raise ConfigError(f"no such file of class names: {value}")
    else:
        lines = value.split(",")
    names = tuple(line.strip() for line in lines)
    if not all(names):
        given = reprlib.repr(value)
        raise ConfigError(f"class names in {given}: name {names.index('') + 1} is empty; give one per class")
    return names


def read_batch(value: str) -> int | None:
    """The batch size that `--batch` names, None for dynamic. Raises ConfigError."""
    if value == "dynamic":
        return None
    if not re.fullmatch(r"0*[1-9][0-9]{0,3}", value):
        raise ConfigError(f"--batch {reprlib.repr(value)}: a whole number, 1 to 9999, or dynamic")
    return int(value)
