"""What a package needs to know of a model file: its tensors, and what it says of itself. Nothing is run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..artifacts.kinds import Kind, kind_of
from ..artifacts.manifest import Manifest, TensorRange
from ..artifacts.metadata import ModelMetadata
from ..artifacts.onnx_file import check_model, metadata_of, read_exported
from ..dependencies import require
from ..errors import ModelFileError


@dataclass(frozen=True)
class ModelFile:
    """An exported ONNX file, or an engine with its manifest."""

    path: Path
    metadata: ModelMetadata
    input: TensorRange  # sizes that an ONNX file leaves open go from 1 to OPEN
    outputs: tuple[TensorRange, ...]  # of an engine with --debug-outputs, these too
    manifest: Manifest | None  # None: an ONNX file

    @property
    def has_open_batch(self) -> bool:
        """Whether it takes any number of images from one to `largest_batch`."""
        return self.input.min[0] == 1 and self.input.max[0] > 1

    @property
    def largest_batch(self) -> int:
        """Images per call; OPEN where there is no limit."""
        return self.input.max[0]

    @property
    def suits(self) -> str:
        """Where it runs, for people."""
        return "any machine" if self.manifest is None else self.manifest.machines


OPEN = 1 << 31  # of an ONNX file's open size: no limit


def read_model_file(path: Path) -> ModelFile:
    """An .onnx file or an engine of this project.

    Raises ModelFileError for any other file, a damaged one, and an engine without its manifest or of TensorRT for RTX;
    MissingDependencyError when an ONNX file comes and onnx is not installed.
    """
    kind = kind_of(path)
    if kind is Kind.CHECKPOINT:
        raise ModelFileError(f"{path} is a checkpoint: export it first, with `yolact-deploy export`")
    if not path.is_file():
        raise ModelFileError(f"{path} is a folder: name a file" if path.is_dir() else f"no such file: {path}")
    return _read_onnx(path) if kind is Kind.ONNX else _read_engine(path)


def _read_onnx(path: Path) -> ModelFile:
    require("onnx", "packing an ONNX file")
    model = read_exported(path)
    check_model(model, path)
    metadata = metadata_of(model, path)
    initializers = {tensor.name for tensor in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in initializers]
    if len(inputs) != 1:
        raise ModelFileError(f"{path} has {len(inputs)} inputs, an exported file has one: export it again")
    outputs = tuple(map(_tensor, model.graph.output))
    return ModelFile(path, metadata, _tensor(inputs[0]), outputs, None)


def _tensor(value: Any) -> TensorRange:
    onnx = require("onnx", "packing an ONNX file")
    tensor = value.type.tensor_type
    sizes = [dimension.dim_value for dimension in tensor.shape.dim]  # 0 where it is open
    low, high = tuple(size or 1 for size in sizes), tuple(size or OPEN for size in sizes)
    dtype = str(onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type))
    return TensorRange(value.name, dtype, low, low, high)


def _read_engine(path: Path) -> ModelFile:
    manifest = Manifest.read(path)
    manifest.check_file(path)
    if manifest.built_on.runtime != "tensorrt":
        raise ModelFileError(
            f"{path} is an engine of TensorRT for RTX, which servers do not run: build it with --runtime tensorrt"
        )
    if len(manifest.inputs) != 1:
        raise ModelFileError(f"{path} has {len(manifest.inputs)} inputs, ours have one: build the engine again")
    return ModelFile(path, manifest.metadata, manifest.inputs[0], manifest.outputs, manifest)
