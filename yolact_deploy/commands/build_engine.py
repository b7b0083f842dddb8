"""`yolact-deploy build-engine model.onnx -o model.engine`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .. import console
from ..dependencies import require
from ..errors import ConfigError
from ..types import ImageSize
from .options import Force, Verbose

if TYPE_CHECKING:
    from ..export.engine.build import EngineResult

SIZE = "WIDTHxHEIGHT"


def run(
    source: Annotated[Path, typer.Argument(metavar="MODEL", help="An .onnx file from `export`.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="The engine; MODEL.engine if left out.")
    ] = None,
    runtime: Annotated[str, typer.Option(metavar="NAME", help="auto, tensorrt or tensorrt-rtx.")] = "auto",
    precision: Annotated[
        str | None, typer.Option(metavar="NAME", help="fp32, fp16 or bf16; that of MODEL if left out.")
    ] = None,
    fp32: Annotated[bool, typer.Option("--fp32", help="--precision fp32.")] = False,
    fp16: Annotated[bool, typer.Option("--fp16", help="--precision fp16.")] = False,
    bf16: Annotated[bool, typer.Option("--bf16", help="--precision bf16.")] = False,
    tf32: Annotated[bool, typer.Option("--tf32", help="Let fp32 convolutions round to TF32: faster.")] = False,
    min_size: Annotated[str | None, typer.Option("--min", metavar=SIZE, help="Smallest image; 32x32.")] = None,
    opt_size: Annotated[str | None, typer.Option("--opt", metavar=SIZE, help="Image to tune for; 640x480.")] = None,
    max_size: Annotated[str | None, typer.Option("--max", metavar=SIZE, help="Largest image; 1920x1920.")] = None,
    batch: Annotated[
        str | None, typer.Option(metavar="N", help="Images a call, N or LEAST,BEST,MOST, where MODEL leaves it open.")
    ] = None,
    workspace: Annotated[str | None, typer.Option(metavar="SIZE", help="Memory for one layer, such as 512M.")] = None,
    timing_cache: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Measured times to reuse; kept in the user's cache if left out.")
    ] = None,
    optimization_level: Annotated[
        int | None, typer.Option(metavar="N", help="0 (fastest build) to 5 (slowest).", min=0, max=5)
    ] = None,
    version_compatible: Annotated[
        bool, typer.Option("--version-compatible", help="Let newer versions of TensorRT run it.")
    ] = False,
    hardware_compatibility: Annotated[
        str, typer.Option(metavar="KIND", help="none, ampere+ or same-compute-capability.")
    ] = "none",
    compute_capability: Annotated[
        list[str] | None,
        typer.Option(metavar="X.Y", help="GPUs to build for, such as 8.6 or 8.9,12.0. TensorRT for RTX only."),
    ] = None,
    dla: Annotated[
        int | None, typer.Option(metavar="N", help="Use this deep-learning accelerator, with the GPU for the rest.")
    ] = None,
    plugins: Annotated[
        str | None, typer.Option(metavar="FILE", help="A plugin library, or none; that of build-plugins if left out.")
    ] = None,
    debug_outputs: Annotated[
        bool, typer.Option("--debug-outputs", help="Let `compare` look into it: C3 to coef become outputs; slower.")
    ] = False,
    force: Force = False,
    verbose: Verbose = False,
) -> None:
    """Build a TensorRT engine, and a manifest beside it that says what it is."""
    require("onnx", "building an engine")
    from ..export.engine.build import build_engine
    from ..export.engine.options import EngineOptions, read_batch_range, read_bytes
    from .build_progress import build_progress

    options = EngineOptions(
        output=output or source.with_suffix(".engine"),
        runtime=runtime,
        precision=_precision(precision, fp32=fp32, fp16=fp16, bf16=bf16),
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
    """The one precision that is asked for. Raises ConfigError when there are several."""
    asked = {flag for flag, is_set in flags.items() if is_set} | ({name} if name else set())
    if len(asked) > 1:
        raise ConfigError(f"one precision, not {' and '.join(sorted(asked))}")
    return asked.pop() if asked else None


def _show(result: EngineResult) -> None:
    for note in result.notes:
        console.warn(note)
    manifest = result.manifest
    console.explain(f"made again by: {manifest.command}")
    for tensor in manifest.inputs:
        console.say(f"input {tensor.name}: {tensor.dtype} {tensor.describe()}")
    targets = f" for compute capability {', '.join(manifest.compute_capabilities)}" * bool(
        manifest.compute_capabilities
    )
    console.say(
        f"{result.path}: {manifest.metadata.config.name}, {manifest.metadata.precision}, "
        f"{manifest.built_on.describe()}{targets}, {console.size_text(result.size_bytes)}, {manifest.seconds:.1f} s"
    )
