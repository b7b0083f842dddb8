"""Reading ONNX files with the `onnx` package, which only exporting and inspecting need."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..dependencies import require
from ..errors import ModelFileError


def load_onnx(path: Path, purpose: str) -> Any:
    """The `onnx.ModelProto` in `path`, ours or not, without weights that live in other files.

    Raises ModelFileError when the file is missing or no ONNX file, MissingDependencyError without the package.
    """
    onnx = require("onnx", purpose)
    if not path.is_file():
        raise ModelFileError(f"no such file: {path}")
    try:
        model = onnx.load(str(path), load_external_data=False)
    except OSError as error:
        raise ModelFileError(f"cannot read {path}: {error.strerror or error}") from None
    except Exception as error:  # protobuf's own, which onnx does not export
        raise ModelFileError(f"{path} is not an ONNX file, or truncated ({type(error).__name__})") from None
    if not model.graph.node or not model.opset_import:  # any few bytes can pass as a protobuf message
        raise ModelFileError(f"{path} is not an ONNX file, or truncated (it holds no graph)")
    return model
