"""`yolact-deploy convert-precision model.onnx --fp16 -o out.onnx`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .. import console
from ..dependencies import require
from ..errors import ConfigError
from .options import Force, Verbose

if TYPE_CHECKING:
    from ..export.precision.convert import ConversionResult


def run(
    model: Annotated[Path, typer.Argument(help="ONNX file from `export`, in fp32.")],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="ONNX file to write.")],
    fp16: Annotated[bool, typer.Option("--fp16", help="Convert the network to fp16.")] = False,
    bf16: Annotated[
        bool, typer.Option("--bf16", help="Convert the network to bf16, for TensorRT on Ampere and newer.")
    ] = False,
    precision: Annotated[
        str | None, typer.Option(metavar="PRECISION", help="fp16 or bf16: the same as --fp16 or --bf16.")
    ] = None,
    force: Force = False,
    verbose: Verbose = False,
) -> None:
    """Convert the network of an exported file to half precision; softmax, boxes, NMS and masks stay fp32."""
    wanted = {name for name, given in (("fp16", fp16), ("bf16", bf16), (precision, precision is not None)) if given}
    if len(wanted) != 1:
        raise ConfigError("name one precision: --fp16 or --bf16")
    require("onnx", "converting an ONNX file")
    from ..export.precision.convert import convert_file

    _show(convert_file(model, output, str(wanted.pop()), force))


def _show(result: ConversionResult) -> None:
    weights, precision = result.weights, result.metadata.precision
    if not result.runs_on_cpu:
        console.warn(f"ONNX Runtime cannot run {precision} convolutions on a CPU: build an engine from this file")
    sizes = f"{console.size_text(result.source_bytes)} -> {console.size_text(result.output_bytes)}"
    console.say(
        f"{weights.values:,} weights: {weights.zeroed:,} became zero, {weights.subnormal:,} are subnormal "
        "(fewer digits), none too large"
    )
    console.say(f"{result.path}: {result.metadata.config.name} in {precision}, {sizes}")
