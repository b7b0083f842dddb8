"""Reading an exported file to make another from it."""

from __future__ import annotations

from pathlib import Path

import onnx

from yolact_deploy.artifacts.metadata import ModelMetadata
from yolact_deploy.artifacts.onnx_file import load_onnx
from yolact_deploy.errors import ModelFileError

_MAX_REASON = 200  # characters of ONNX's own message


def read_exported(path: Path) -> onnx.ModelProto:
    """The model in `path`, exported by this project.

    Raises ModelFileError when the file is missing, damaged, or not ours.
    """
    model: onnx.ModelProto = load_onnx(path, "reading an ONNX file")
    metadata_of(model, path)
    return model


def metadata_of(model: onnx.ModelProto, source: object) -> ModelMetadata:
    """What `model` says of itself; `source` names it in errors. Raises ModelFileError when it is not ours."""
    return ModelMetadata.from_props({entry.key: entry.value for entry in model.metadata_props}, source)


def check_model(model: onnx.ModelProto, source: object) -> None:
    """onnx.checker with all it can check. Raises ModelFileError with its reason, shortened."""
    try:
        onnx.checker.check_model(model, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        reason = " ".join(str(error).split())[:_MAX_REASON]
        raise ModelFileError(f"{source} is not valid ONNX ({reason}): export it again") from None
