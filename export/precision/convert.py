"""`yolact-deploy convert-precision`: an exported fp32 file -> the same file with its network in half precision."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from yolact_deploy.artifacts.metadata import ModelMetadata
from yolact_deploy.artifacts.quantization import is_quantised
from yolact_deploy.dependencies import require
from yolact_deploy.errors import ConfigError, ModelFileError
from yolact_deploy.files import check_no_input, check_output_path, write_bytes

if TYPE_CHECKING:
    import onnx

    from yolact_deploy.export.precision.half_types import WeightLoss

PRECISIONS = ("fp16", "bf16")
# No kernel for its convolutions (ONNX Runtime 1.32): such a file is for TensorRT.
PRECISIONS_WITHOUT_CPU = ("bf16",)


@dataclass(frozen=True)
class ConversionResult:
    """What was written, and what rounding cost."""

    path: Path
    metadata: ModelMetadata
    weights: WeightLoss
    source_bytes: int
    output_bytes: int
    runs_on_cpu: bool  # whether ONNX Runtime can run the file without a GPU


def convert_precision(model: onnx.ModelProto, precision: str, source: object = "the model") -> onnx.ModelProto:
    """A copy of `model`, an exported fp32 file, whose network computes in `precision` (fp16 or bf16).

    Inputs, outputs and raw outputs keep their names and types, domain nodes and function bodies are untouched; what
    else stays float32 is listed in `precision_rules.py`. `source` names the model in errors.

    Raises ConfigError for another precision, and ModelFileError for a model that is not ours, not valid or not fp32,
    or has a weight that `precision` cannot hold.
    """
    return _convert(model, precision, source)[0]


def convert_file(
    source: Path, output: Path, precision: str, force: bool = False, other_inputs: Sequence[Path] = ()
) -> ConversionResult:
    """`convert_precision` from file to file; the output is written whole or not at all.

    other_inputs: files that must not be replaced, such as pictures that are read afterwards.

    Raises as `convert_precision`, and OutputError for an output that exists (unless `force`) or cannot be written.
    """
    _check_precision(precision)
    require("onnx", "converting an ONNX file")
    from yolact_deploy.artifacts.onnx_file import metadata_of, read_exported

    check_no_input(output, [source, *other_inputs])
    output = check_output_path(output, force) if source.is_file() else output
    converted, weights = _convert(read_exported(source), precision, source)
    data = converted.SerializeToString()
    write_bytes(output, data)
    return ConversionResult(
        path=output,
        metadata=metadata_of(converted, output),
        weights=weights,
        source_bytes=source.stat().st_size,
        output_bytes=len(data),
        runs_on_cpu=precision not in PRECISIONS_WITHOUT_CPU,
    )


def check_convertible(model: onnx.ModelProto, source: object) -> ModelMetadata:
    """What an fp32 `model` says of itself.

    Raises ModelFileError when it is not ours, not valid or of another precision: int8 by its nodes, whatever it says.
    """
    from yolact_deploy.artifacts.onnx_file import check_model, metadata_of

    metadata = metadata_of(model, source)
    precision = "int8" if is_quantised(model) else metadata.precision
    if precision != "fp32":
        raise ModelFileError(f"{source} is already {precision}: convert the fp32 file")
    check_model(model, source)
    return metadata


def _check_precision(precision: str) -> None:
    if precision not in PRECISIONS:
        raise ConfigError(f"unknown precision {precision!r} to convert to: use one of {', '.join(PRECISIONS)}")


def _convert(model: onnx.ModelProto, precision: str, source: object) -> tuple[onnx.ModelProto, WeightLoss]:
    _check_precision(precision)
    onnx = require("onnx", "converting an ONNX file")
    from yolact_deploy.artifacts.onnx_file import check_model, props_of
    from yolact_deploy.export.precision.half_types import HALF_TYPES
    from yolact_deploy.export.precision.mixed_precision import cast_network

    metadata = check_convertible(model, source)
    converted = onnx.ModelProto()
    converted.CopyFrom(model)
    weights = cast_network(converted, HALF_TYPES[precision], source)
    onnx.helper.set_model_props(converted, props_of(model) | replace(metadata, precision=precision).to_props())
    check_model(converted, f"{source} in {precision}")
    return converted, weights
