"""`yolact-deploy convert-precision model.onnx --fp16 -o out.onnx`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .. import console
from ..artifacts.quantization import CPU_LAYOUT
from ..dependencies import require
from ..errors import ConfigError
from . import int8_options as int8_given
from .options import Force, Verbose

if TYPE_CHECKING:
    from ..export.precision.convert import ConversionResult
    from ..export.precision.int8.file import Int8Result

PRECISIONS = ("fp16", "bf16", "int8")


def run(
    model: Annotated[Path, typer.Argument(help="ONNX file from `export`, in fp32.")],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="ONNX file to write.")],
    fp16: Annotated[
        bool, typer.Option("--fp16", help="Convert the network to fp16; with --int8, the rest of it.")
    ] = False,
    bf16: Annotated[
        bool, typer.Option("--bf16", help="Convert the network to bf16, for TensorRT on Ampere and newer.")
    ] = False,
    int8: Annotated[bool, typer.Option("--int8", help="Quantise the network to int8.")] = False,
    precision: Annotated[
        str | None, typer.Option(metavar="PRECISION", help="fp16, bf16 or int8: the same as --fp16 and so on.")
    ] = None,
    calibration: int8_given.Calibration = None,
    images: int8_given.Images = None,
    method: int8_given.Method = None,
    statistics: int8_given.StatisticsFile = None,
    layout: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            rich_help_panel="int8",
            help="cpu: for ONNX Runtime and OpenVINO. tensorrt: for engines (default: tensorrt with an NVIDIA GPU or "
            "--fp16, else cpu).",
        ),
    ] = None,
    keep: int8_given.Keep = None,
    recipe: int8_given.Recipe = None,
    max_ap_loss: Annotated[
        float | None,
        typer.Option(
            metavar="POINTS",
            rich_help_panel="int8",
            help="Keep as many stages in float as it takes to lose at most this, box and mask AP on --data (default: "
            "no limit).",
        ),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", rich_help_panel="int8", help="Data set of --max-ap-loss, in COCO format."),
    ] = None,
    force: Force = False,
    verbose: Verbose = False,
) -> None:
    """Convert the network of an exported file to half precision or int8; softmax, boxes, NMS and masks stay fp32."""
    wanted = {
        name
        for name, given in (("fp16", fp16), ("bf16", bf16), ("int8", int8), (precision, precision is not None))
        if given
    }
    require("onnx", "converting an ONNX file")
    if "int8" not in wanted:
        int8_given.refuse_without_int8(
            method=method,
            statistics=statistics,
            layout=layout,
            keep=keep,
            recipe=recipe,
            max_ap_loss=max_ap_loss,
            data=data,
        )
        if len(wanted) != 1:
            raise ConfigError(f"name one precision: --{', --'.join(PRECISIONS[:-1])} or --{PRECISIONS[-1]}")
        _convert_to_half(model, output, str(wanted.pop()), calibration, images, force)
        return
    if wanted - {"int8", "fp16"}:
        raise ConfigError("--int8 goes with --fp16 or alone")
    from ..export.precision.int8.file import Int8Request, convert_file_int8
    from .int8_accuracy import measure_of

    if (max_ap_loss is None) != (data is None):
        raise ConfigError("--max-ap-loss and --data go together: the loss is measured on the data set")
    options = int8_given.read_int8_options(layout, method, "fp16" in wanted, keep, recipe)
    source = int8_given.read_statistics_source(calibration, images, statistics, options)
    measure = None if data is None else measure_of(model, data)
    if data is not None and calibration is not None and data.resolve() == calibration.resolve():
        console.warn("calibrated on the data set that judges the loss: the figures are a little too good")
    with console.progress("int8") as advance:
        request = Int8Request(options, source, max_ap_loss, other_inputs=_data_files(data))
        result = convert_file_int8(model, output, request, measure, force, advance)
    _show_int8(result)


def _data_files(data: Path | None) -> tuple[Path, ...]:
    """What of a data set is read: its annotations and pictures. None: nothing."""
    from ..benchmarks.accuracy.layout import find_layout
    from ..images import IMAGE_SUFFIXES

    if data is None:
        return ()
    layout = find_layout(data)
    pictures = (path for path in layout.files_below() if path.suffix.lower() in IMAGE_SUFFIXES)
    return (layout.annotations, *pictures)


def _convert_to_half(
    model: Path, output: Path, precision: str, calibration: Path | None, images: int | None, force: bool
) -> None:
    """Convert to fp16 or bf16; with pictures, say which tensors leave the range of the format on them."""
    from ..export.precision.convert import convert_file
    from ..export.precision.int8.calibration import DEFAULT_PICTURES, Calibration, overflowing

    if calibration is None:
        if images is not None:
            raise ConfigError("--images is about --calibration: name a folder, or leave it out")
        _show(convert_file(model, output, precision, force))
        return
    from ..artifacts.onnx_file import metadata_of, read_exported
    from ..export.precision.half_types import HALF_TYPES

    pictures = Calibration(calibration, DEFAULT_PICTURES if images is None else images)
    found_pictures = pictures.find()
    result = convert_file(model, output, precision, force, found_pictures)
    half, source = HALF_TYPES[precision], read_exported(model)
    with console.progress("pictures") as advance:
        found = overflowing(source, metadata_of(source, model), pictures, half.largest, model, advance)
    _show(result)
    for name, magnitude in found.items():
        console.warn(
            f"tensor {name} reaches {magnitude:.4g}, and {precision} ends at {half.largest:.4g}: use bf16 or fp32"
        )
    if not found:
        console.say(f"no tensor of the network leaves the range of {precision} on {len(found_pictures)} pictures")


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


def _show_int8(result: Int8Result) -> None:
    quantization = result.metadata.quantization
    assert quantization is not None
    if quantization.layout == CPU_LAYOUT:
        int8_given.note_slow_cpu()
    if result.choice is not None:
        from .int8_accuracy import show_choice

        show_choice(result.choice)
    quantised, convolutions = result.convolutions
    console.say(f"{quantised} of {convolutions} convolutions in int8; {quantization.describe()}")
    sizes = f"{console.size_text(result.source_bytes)} -> {console.size_text(result.output_bytes)}"
    console.say(f"{result.path}: {result.metadata.config.name} in int8, {sizes}")
