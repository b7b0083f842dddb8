"""Options of `infer` for labelling programs, and what it says of thresholds."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import ConfigError

if TYPE_CHECKING:
    from ..inference.label_studio_file import LabelStudioTarget
    from ..inference.options import InferOptions
    from ..predictor import Predictor

LabelStudio = Annotated[
    Path | None,
    typer.Option(
        "--label-studio",
        metavar="FILE",
        help="Write pictures as tasks of Label Studio with the detections as predictions, masks as brush labels (- for "
        "stdout).",
    ),
]
LabelStudioPrefix = Annotated[
    str | None,
    typer.Option(
        "--label-studio-prefix",
        metavar="TEXT",
        help="With --label-studio: put TEXT before each file name, such as /data/local-files/?d=photos/ (default: the "
        "name alone).",
    ),
]


def label_studio_target(path: Path | None, prefix: str | None) -> LabelStudioTarget | None:
    """Where tasks go, None for nowhere. Raises ConfigError for a prefix of nothing."""
    from ..inference.label_studio_file import LabelStudioTarget

    if path is None and prefix is not None:
        raise ConfigError("--label-studio-prefix is for --label-studio FILE: name the file, or leave it out")
    return None if path is None else LabelStudioTarget(path, prefix)


def score_lines(options: InferOptions, predictor: Predictor, default: float) -> list[str]:
    """Which thresholds hold, and why AP of the results would be too low where detections are left out of them."""
    lines = []
    if predictor.thresholds:
        shown = ", ".join(f"{name} {score:g}" for name, score in predictor.thresholds.items())
        lines.append(f"lowest scores of classes: {shown}")
    if options.results is None:
        return lines
    lowest = max(predictor.score_threshold, default)
    named = [f"--thresholds {shlex.quote(f'{name}=0')}" for name, score in predictor.thresholds.items() if score > 0]
    needed = [*(["--score 0"] if lowest > 0 else []), *named]
    if needed:
        lines.append(f"{options.results} leaves out detections by their score: AP needs {' '.join(needed)}")
    return lines
