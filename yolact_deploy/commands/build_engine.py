"""`yolact-deploy build-engine model.onnx -o model.engine`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .. import console
from ..artifacts.quantization import TENSORRT_LAYOUT
from ..dependencies import require
from ..errors import ConfigError
from . import int8_options as int8_given
from .options import Force, Verbose

if TYPE_CHECKING:
    from ..export.engine.build import EngineResult

SIZE = "WIDTHxHEIGHT"


def run(
    source: Annotated[Path, typer.Argument(metavar="MODEL", help="ONNX file from `export`.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Engine to write (default: MODEL.engine).")
    ] = None,
    runtime: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="Library to build with: auto (TensorRT, else TensorRT for RTX), tensorrt or tensorrt-rtx.",
        ),
    ] = "auto",
    precision: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Precision of the network: fp32, fp16, bf16 or int8 (default: that of MODEL)."
        ),
    ] = None,
    fp32: Annotated[bool, typer.Option("--fp32", help="Same as --precision fp32.")] = False,
    fp16: Annotated[bool, typer.Option("--fp16", help="Same as --precision fp16.")] = False,
    bf16: Annotated[bool, typer.Option("--bf16", help="Same as --precision bf16.")] = False,
    int8: Annotated[
        bool, typer.Option("--int8", help="Same as --precision int8; with --fp16, what is not int8 is fp16.")
    ] = False,
    calibration: int8_given.Calibration = None,
    images: int8_given.Images = None,
    method: int8_given.Method = None,
    statistics: int8_given.StatisticsFile = None,
    keep: int8_given.Keep = None,
    recipe: int8_given.Recipe = None,
    tf32: Annotated[
        bool, typer.Option("--tf32", help="Let fp32 convolutions round to TF32: faster, as exact as fp16.")
    ] = False,
    min_size: Annotated[
        str | None, typer.Option("--min", metavar=SIZE, help="Smallest image, px (default: 32x32).")
    ] = None,
    opt_size: Annotated[
        str | None, typer.Option("--opt", metavar=SIZE, help="Image to tune for, px (default: 640x480).")
    ] = None,
    max_size: Annotated[
        str | None, typer.Option("--max", metavar=SIZE, help="Largest image, px (default: 1920x1920).")
    ] = None,
    batch: Annotated[
        str | None,
        typer.Option(
            metavar="N",
            help="Images per call, N or MIN,OPT,MAX, for a MODEL exported with --batch dynamic (default: 1).",
        ),
    ] = None,
    workspace: Annotated[
        str | None,
        typer.Option(metavar="SIZE", help="Workspace memory limit, such as 512M or 2G (default: all memory)."),
    ] = None,
    timing_cache: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Timing cache to read and update (default: one in the user's cache)."),
    ] = None,
    optimization_level: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Builder optimization level, 0 (fastest build) to 5 (default: the library's).",
            min=0,
            max=5,
        ),
    ] = None,
    version_compatible: Annotated[
        bool, typer.Option("--version-compatible", help="Let newer TensorRT releases run the engine.")
    ] = False,
    hardware_compatibility: Annotated[
        str,
        typer.Option(
            metavar="KIND", help="Other GPUs that may run the engine: none, ampere+ or same-compute-capability."
        ),
    ] = "none",
    compute_capability: Annotated[
        list[str] | None,
        typer.Option(
            metavar="X.Y",
            help="GPUs to build for, such as 8.6 or 8.9,12.0; TensorRT for RTX only (default: 8.0 and newer).",
        ),
    ] = None,
    dla: Annotated[
        int | None, typer.Option(metavar="N", help="DLA core to use, with the GPU for the rest (default: no DLA).")
    ] = None,
    plugins: Annotated[
        str | None, typer.Option(metavar="FILE", help="Plugin library, or none (default: that of build-plugins).")
    ] = None,
    debug_outputs: Annotated[
        bool,
        typer.Option(
            "--debug-outputs", help="Add the tensors C3 to coef as outputs, for `compare`; the engine is slower."
        ),
    ] = False,
    force: Force = False,
    verbose: Verbose = False,
) -> None:
    """Build a TensorRT engine from an exported ONNX file, with a manifest beside it that describes it."""
    require("onnx", "building an engine")
    from ..export.engine.build import build_engine
    from ..export.engine.options import EngineOptions, read_batch_range, read_bytes
    from ..export.precision.int8.file import Int8Request
    from ..types import ImageSize
    from .build_progress import build_progress

    wanted = _precision(precision, fp32=fp32, fp16=fp16, bf16=bf16, int8=int8)
    request = None
    if wanted == "int8":
        quantising = int8_given.read_int8_options(TENSORRT_LAYOUT, method, fp16, keep, recipe)
        pictures = int8_given.read_statistics_source(calibration, images, statistics, quantising)
        request = Int8Request(quantising, pictures)
    else:
        int8_given.refuse_without_int8(
            calibration=calibration, images=images, method=method, statistics=statistics, keep=keep, recipe=recipe
        )
    options = EngineOptions(
        output=output or source.with_suffix(".engine"),
        runtime=runtime,
        precision=wanted,
        int8=request,
        tf32=tf32,
        min_size=ImageSize.parse(min_size) if min_size else None,
        opt_size=ImageSize.parse(opt_size) if opt_size else None,
        max_size=ImageSize.parse(max_size) if max_size else None,
        batch=read_batch_range(batch) if batch else None,
        workspace_bytes=read_bytes(workspace) if workspace else None,
        timing_cache=timing_cache,
        optimization_level=optimization_level,
        version_compatible=version_compatible,
        hardware_compatibility=hardware_compatibility,
        compute_capabilities=_split(compute_capability or []),
        dla_core=dla,
        plugins=plugins,
        debug_outputs=debug_outputs,
        force=force,
    )
    with build_progress() as listener:
        result = build_engine(source, options, listener)
    _show(result)


def _split(values: list[str]) -> tuple[str, ...]:
    """The capabilities of every time that the option was given, alone or with commas."""
    return tuple(part.strip() for value in values for part in value.split(","))


def _precision(name: str | None, **flags: bool) -> str | None:
    """The one precision that is asked for; int8 with fp16 is int8. Raises ConfigError when there are several."""
    asked = {flag for flag, is_set in flags.items() if is_set} | ({name} if name else set())
    if asked == {"int8", "fp16"}:
        return "int8"
    if len(asked) > 1:
        raise ConfigError(f"one precision, not {' and '.join(sorted(asked))}")
    return asked.pop() if asked else None


def _show(result: EngineResult) -> None:
    for note in result.notes:
        console.warn(note)
    manifest = result.manifest
    console.explain(f"rebuild with: {manifest.command}")
    for tensor in manifest.inputs:
        console.say(f"input {tensor.name}: {tensor.dtype} {tensor.describe()}")
    console.say(
        f"{result.path}: {manifest.metadata.config.name}, {manifest.metadata.precision}, "
        f"{manifest.built_on.describe()}, {console.size_text(result.size_bytes)}, {manifest.seconds:.1f} s"
    )
    console.say(f"runs on: {manifest.machines}")
