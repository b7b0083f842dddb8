"""Reading and checking ONNX files: what they say of themselves without any package, the rest with `onnx`."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ..dependencies import require
from ..errors import ModelFileError
from .metadata import FORMAT_KEY, ModelMetadata
from .onnx_scan import scan_onnx

_MAX_REASON = 200  # characters of ONNX's own message


def read_metadata(path: Path) -> ModelMetadata:
    """What a file that this project exported says of itself, with the precision that its nodes show.

    Raises ModelFileError as `scan_onnx`, and when it is not ours, damaged or not whole.
    """
    structure = scan_onnx(path)
    metadata = ModelMetadata.from_props(structure.props, path)
    if structure.has_external_data:
        raise ModelFileError(f"{path} keeps weights in other files, which yolact-deploy never writes: export it again")
    return metadata.with_precision_of(structure.is_quantised, path)


def load_onnx(path: Path, purpose: str) -> Any:
    """The `onnx.ModelProto` in `path`, ours or not, without weights that live in other files.

    Raises ModelFileError as `scan_onnx`, MissingDependencyError without the package.
    """
    onnx = require("onnx", purpose)
    scan_onnx(path)
    try:
        model = onnx.load(str(path), load_external_data=False)
    except OSError as error:
        raise ModelFileError(f"cannot read {path}: {error.strerror or error}") from None
    except Exception as error:  # protobuf's own, which onnx does not export
        raise ModelFileError(f"{path} is not an ONNX file, or truncated ({type(error).__name__})") from None
    if not model.opset_import:
        raise ModelFileError(f"{path} is not an ONNX file, or truncated (it names no opset)")
    return model


def read_exported(path: Path) -> Any:
    """The `onnx.ModelProto` in `path`, exported by this project, with the precision that its nodes show.

    Raises ModelFileError when the file is missing, damaged, or not ours.
    """
    model = load_onnx(path, "reading an ONNX file")
    onnx = require("onnx", "reading an ONNX file")
    onnx.helper.set_model_props(model, {**props_of(model), **read_metadata(path).to_props()})
    return model


def is_ours(model: Any) -> bool:
    """Whether this project wrote an `onnx.ModelProto`."""
    return FORMAT_KEY in props_of(model)


def metadata_of(model: Any, source: object) -> ModelMetadata:
    """What an `onnx.ModelProto` says of itself; `source` names it in errors. Raises ModelFileError for others'."""
    return ModelMetadata.from_props(props_of(model), source)


def props_of(model: Any) -> dict[str, str]:
    """The `metadata_props` of an `onnx.ModelProto`."""
    return {entry.key: entry.value for entry in model.metadata_props}


def with_outputs(model: Any, names: Iterable[str]) -> Any:
    """A copy of an `onnx.ModelProto` of which the inner tensors `names` are outputs as well."""
    copy = type(model)()
    copy.CopyFrom(model)
    present = {value.name for value in copy.graph.output}
    for name in dict.fromkeys(names):
        if name not in present:
            copy.graph.output.add(name=name)
    return copy


def check_model(model: Any, source: object) -> None:
    """onnx.checker with all it can check. Raises ModelFileError with its reason, shortened."""
    onnx = require("onnx", "checking an ONNX file")
    try:
        onnx.checker.check_model(model, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        reason = " ".join(str(error).split())[:_MAX_REASON]
        raise ModelFileError(f"{source} is not valid ONNX ({reason}): export it again") from None
