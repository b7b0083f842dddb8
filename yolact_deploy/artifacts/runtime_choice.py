"""A model file and what is to run it, as one name: model.onnx@openvino-bf16."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..errors import ConfigError

ONNX_RUNTIME, OPENVINO = ONNX_RUNTIMES = ("onnxruntime", "openvino")  # that run ONNX files
OPENVINO_PRECISIONS = ("fp32", "bf16")  # that OpenVINO may compute an fp32 network in


@dataclass(frozen=True)
class RuntimeChoice:
    """What is to run a file, and how."""

    file: Path
    runtime: str | None = None  # one of ONNX_RUNTIMES; None: the default of the file's kind
    precision: str | None = None  # one of OPENVINO_PRECISIONS; None: that of the file

    def __post_init__(self) -> None:
        """Raises ConfigError for what does not exist or does not go together."""
        if self.runtime not in (None, *ONNX_RUNTIMES):
            raise ConfigError(f"unknown runtime {self.runtime!r} for {self.file}: use {', '.join(ONNX_RUNTIMES)}")
        if self.precision not in (None, *OPENVINO_PRECISIONS):
            raise ConfigError(f"unknown precision {self.precision!r}: use {', '.join(OPENVINO_PRECISIONS)}")
        if self.precision is not None and self.runtime != OPENVINO:
            raise ConfigError(f"a precision is chosen with {OPENVINO} alone: {self.file} brings its own")

    @classmethod
    def parse(cls, path: Path) -> RuntimeChoice:
        """FILE, FILE@RUNTIME or FILE@RUNTIME-PRECISION; a file that has an @ in its own name is taken as it is.

        Raises ConfigError.
        """
        name, mark, choice = path.name.rpartition("@")
        if not mark or not name or path.exists():
            return cls(path)
        runtime, dash, precision = choice.partition("-")
        return cls(path.with_name(name), runtime, precision if dash else None)
