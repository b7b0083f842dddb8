"""`yolact-deploy export WEIGHTS -o model.onnx`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .. import console
from ..artifacts.metadata import IMAGE_INPUTS, INPUT_KINDS, PROTOTYPE_SIZE_MASKS
from ..config.postprocess import PostprocessConfig
from ..config.thresholds import given_thresholds, thresholds_files
from ..dependencies import require
from ..errors import ConfigError, GateError
from ..files import check_no_input
from .options import ClassNames, Config, Family, Force, Thresholds, Verbose, read_batch, read_class_names, read_config

if TYPE_CHECKING:
    from ..export.graph.torch_to_onnx import ExportResult

DEFAULTS = PostprocessConfig()
_RULE = "what the checkpoint says, else "


def run(
    weights: Annotated[
        Path,
        typer.Argument(help="Checkpoint of the official code, YolactEdge or mmdetection: .pth, .pt or .safetensors."),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="ONNX file to write.")],
    config: Config = None,
    family: Family = None,
    num_classes: Annotated[
        int | None,
        typer.Option(
            min=1, help="Expected number of classes; export fails if the checkpoint has another (default: not checked)."
        ),
    ] = None,
    class_names: ClassNames = None,
    input_kind: Annotated[
        str,
        typer.Option(
            "--input",
            metavar="KIND",
            help="Graph input. image: uint8 BGR of any size. tensor: float32 RGB planes, resized and normalised by "
            "the caller. planar: the same from 0 to 255, normalised in the graph, as DeepStream gives them.",
        ),
    ] = IMAGE_INPUTS,
    masks: Annotated[
        str,
        typer.Option(
            metavar="SIZE",
            help="Output masks. prototype: soft masks at prototype size. image: one bit per pixel at image size; "
            "fast in an engine with the plugins, slow elsewhere.",
        ),
    ] = PROTOTYPE_SIZE_MASKS,
    batch: Annotated[str, typer.Option(metavar="N", help="Images per call: a number, or dynamic.")] = "1",
    score_threshold: Annotated[
        float | None,
        typer.Option(
            help="Drop candidates whose best class scores at most this, 0..1 "
            f"(default: {_RULE}{DEFAULTS.score_threshold:g})."
        ),
    ] = None,
    iou_threshold: Annotated[
        float | None,
        typer.Option(
            help="Suppress a detection whose IoU with a better one exceeds this, 0..1 "
            f"(default: {_RULE}{DEFAULTS.iou_threshold:g})."
        ),
    ] = None,
    top_k: Annotated[
        int | None, typer.Option(help=f"Candidates per class that enter NMS (default: {_RULE}{DEFAULTS.top_k}).")
    ] = None,
    max_detections: Annotated[
        int | None, typer.Option(help=f"Detections per image to keep (default: {_RULE}{DEFAULTS.max_detections}).")
    ] = None,
    cross_class: Annotated[
        bool, typer.Option("--cross-class", help="Suppress across classes (default: within each class).")
    ] = False,
    thresholds: Thresholds = None,
    deform_conv: Annotated[
        str,
        typer.Option(
            metavar="FORM",
            help="Operator for YOLACT++'s deformable convolutions. gridsample: runs everywhere. onnx: DeformConv, for "
            "ONNX Runtime 1.25 or newer and TensorRT, not for TensorRT for RTX. auto: the faster one in ONNX Runtime.",
        ),
    ] = "gridsample",
    inline: Annotated[
        bool,
        typer.Option(
            "--inline",
            help="Write standard operators only, for OpenVINO, OpenCV and others; TensorRT plugins then have nothing "
            "to attach to.",
        ),
    ] = False,
    image: Annotated[
        Path | None, typer.Option(help="Picture for the final check (default: a bundled one).", metavar="FILE")
    ] = None,
    force: Force = False,
    verbose: Verbose = False,
) -> None:
    """Export a checkpoint to one ONNX file, then run both on a picture and compare every output."""
    if input_kind not in INPUT_KINDS:
        raise ConfigError(f"--input {input_kind}: use one of {', '.join(INPUT_KINDS)}")
    check_no_input(output, [config, class_names, *thresholds_files(thresholds or ())])
    require("torch", "exporting")
    from ..export.graph.torch_to_onnx import ExportOptions, export_onnx

    rules = {
        "score_threshold": score_threshold,
        "iou_threshold": iou_threshold,
        "top_k": top_k,
        "max_detections": max_detections,
    }
    options = ExportOptions(
        output=output,
        config=read_config(config),
        family=family,
        num_classes=num_classes,
        class_names=read_class_names(class_names),
        input_kind=input_kind,
        mask_size=masks,
        batch=read_batch(batch),
        rules={
            **{name: value for name, value in rules.items() if value is not None},
            **({"cross_class": True} if cross_class else {}),
        },
        thresholds=given_thresholds(thresholds),
        deform_conv=deform_conv,
        inline=inline,
        check_image=image,
        force=force,
    )
    _show(export_onnx(weights, options, console.say))


def _show(result: ExportResult) -> None:
    """Print what was written and how it compares. Raises GateError when that is too little."""
    check = result.check
    console.show_table(
        ("output", "largest difference", "tolerance", ""),
        [
            (name, f"{difference:.2e}", f"{check.tolerances[name]:.1e}", _verdict(difference, check.tolerances[name]))
            for name, difference in check.differences.items()
        ],
        numbers=("largest difference", "tolerance"),
    )
    console.say(f"{check.matched} of {check.reference_count} detections matched")
    config = result.metadata.config
    kinds = f"input {result.metadata.input_kind}, masks at {result.metadata.mask_size} size"
    console.say(f"{result.path}: {config.name}, {config.num_classes} classes, {kinds}")
    if result.metadata.thresholds:
        console.say(f"thresholds: {result.metadata.describe_thresholds()}")
    if not check.passed:
        raise GateError(
            f"the ONNX file differs from the checkpoint by more than the tolerance; it is kept as {result.path}"
        )


def _verdict(difference: float, tolerance: float) -> str:
    return "ok" if difference <= tolerance else "too large"
