"""`yolact-deploy compare A B --image I`."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .. import console
from ..errors import GateError
from .options import (
    ClassNames,
    Config,
    Device,
    Family,
    Json,
    MaxPixels,
    Plugins,
    Trust,
    Verbose,
    read_class_names,
    read_config,
)

if TYPE_CHECKING:
    from ..diagnosis.walk import Comparison, StageResult

COLUMNS = ("stage", "max abs", "mean abs", "relative", "tolerance", "cosine", "verdict", "note")


def run(
    reference: Annotated[Path, typer.Argument(metavar="A", help="Reference: checkpoint, .onnx or engine.")],
    suspect: Annotated[Path, typer.Argument(metavar="B", help="Model under test: checkpoint, .onnx or engine.")],
    image: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Picture to run both on (default: a bundled one).")
    ] = None,
    tolerance: Annotated[
        float | None,
        typer.Option(
            metavar="X", help="Largest relative error |B - A| / |A| allowed in any stage (default: by precision)."
        ),
    ] = None,
    max_pixels: MaxPixels = None,
    device: Device = "cpu",
    config: Config = None,
    class_names: ClassNames = None,
    family: Family = None,
    trust: Trust = False,
    plugins: Plugins = None,
    json: Json = None,
    verbose: Verbose = False,
) -> None:
    """Compare two models stage by stage on one image and report the first stage where they diverge."""
    from ..diagnosis.compare import CompareOptions, compare_models
    from ..images import MAX_PIXELS, read_image, sample_image

    console.check_target(json, [reference, suspect, image, config, class_names, plugins])
    picture = sample_image() if image is None else read_image(image, max_pixels=max_pixels or MAX_PIXELS)
    options = CompareOptions(
        device, tolerance, read_config(config), trust, plugins, read_class_names(class_names), family
    )
    comparison = compare_models(reference, suspect, picture, options)
    if json is not None:
        console.emit_json(_plain(comparison), json)
    if json != console.STDOUT:
        _show(comparison)
    first = comparison.first_divergence
    if first is not None:
        raise GateError(_verdict(comparison, first))


def _show(comparison: Comparison) -> None:
    for letter, model in (("A", comparison.reference), ("B", comparison.suspect)):
        console.say(f"{letter}: {model.path}, {model.precision}, {model.description}")
    height, width = comparison.image_size
    console.say(f"picture {width}x{height} px, tolerances of {comparison.tolerances}")
    console.say()
    console.show_table(COLUMNS, [_row(result) for result in comparison.stages], numbers=COLUMNS[1:6])
    for note in comparison.notes:
        console.warn(note)
    if comparison.first_divergence is None:
        compared = sum(result.difference is not None for result in comparison.stages)
        console.say(f"all {compared} stages that were compared are within tolerance")


def _row(result: StageResult) -> tuple[str, ...]:
    apart, tolerance = result.difference, f"{result.tolerance:.0e}"
    verdict = "ok" if result.is_ok else "DIVERGES"
    if apart is None:
        return (result.stage, "", "", "", tolerance, "", "skipped" if result.is_ok else verdict, result.note)
    numbers = [f"{value:.1e}" for value in (apart.max_abs, apart.mean_abs, apart.relative)]
    return (result.stage, *numbers, tolerance, f"{apart.cosine:.6f}", verdict, result.note)


def _verdict(comparison: Comparison, first: StageResult) -> str:
    culprit = comparison.culprit
    where = f"at {culprit.describe()}" if culprit else "which operator in it cannot be told from these files"
    return f"first divergence in {first.stage}, {where}"


def _plain(comparison: Comparison) -> dict[str, Any]:
    first, culprit = comparison.first_divergence, comparison.culprit
    return {
        "reference": comparison.reference,
        "suspect": comparison.suspect,
        "image_size": comparison.image_size,
        "tolerances": comparison.tolerances,
        "first_divergence": first.stage if first else None,
        "culprit": _finite(vars(culprit)) if culprit else None,
        "stages": [
            {**vars(result), "difference": _finite(vars(result.difference)) if result.difference else None}
            for result in comparison.stages
        ],
        "notes": comparison.notes,
    }


def _finite(values: dict[str, Any]) -> dict[str, Any]:
    """Without infinity and NaN, for which JSON has no word: null."""
    return {
        name: None if isinstance(value, float) and not math.isfinite(value) else value for name, value in values.items()
    }
