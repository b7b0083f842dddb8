"""What an engine is: from its manifest always, from TensorRT itself where that can open it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..artifacts.manifest import Manifest, manifest_path
from ..errors import ModelFileError, YolactDeployError
from ..files import sha256_of

if TYPE_CHECKING:
    from ..trt.engine_file import OpenEngine


@dataclass(frozen=True)
class EngineTensor:
    """An input or output as the engine itself says it."""

    name: str
    dtype: str
    shape: tuple[int, ...]  # -1 where it is open


@dataclass(frozen=True)
class EngineInfo:
    """An engine file."""

    path: Path
    size_bytes: int
    sha256: str
    manifest: Manifest | None
    runs_here: bool  # TensorRT opened it
    tensors: tuple[EngineTensor, ...]  # empty when it does not run here
    layers: tuple[str, ...]  # names, in order; empty when it does not run here
    notes: tuple[str, ...]


def inspect_engine(path: str | Path) -> EngineInfo:
    """Say what an engine is. It is opened only when its manifest fits, because an engine file can run any code.

    Raises ModelFileError when it is missing.
    """
    path = Path(path)
    if not path.is_file():
        raise ModelFileError(f"no such file: {path}")
    manifest: Manifest | None = None
    tensors: tuple[EngineTensor, ...] = ()
    layers: tuple[str, ...] = ()
    notes: list[str] = []
    try:
        if manifest_path(path).exists():
            manifest = Manifest.read(path)
            manifest.check_file(path)
            tensors, layers = _open(path, manifest)
        else:
            notes.append(f"no manifest ({manifest_path(path).name}): nothing is known of it, and it is not opened")
    except YolactDeployError as error:
        notes.append(f"does not run here: {error}")
    return EngineInfo(
        path=path,
        size_bytes=path.stat().st_size,
        sha256=sha256_of(path),
        manifest=manifest,
        runs_here=bool(tensors),
        tensors=tensors,
        layers=layers,
        notes=tuple(notes),
    )


def _open(path: Path, manifest: Manifest) -> tuple[tuple[EngineTensor, ...], tuple[str, ...]]:
    from ..trt.engine_file import open_engine

    opened = open_engine(path, manifest)
    try:
        with opened.backend.current():
            return _tensors(opened), _layers(opened)
    finally:
        opened.backend.close()


def _tensors(opened: OpenEngine) -> tuple[EngineTensor, ...]:
    from ..trt.library import shape_of

    names = (*(tensor.name for tensor in opened.inputs), *opened.output_names)
    return tuple(
        EngineTensor(name, opened.dtype(name), shape_of(opened.engine.get_tensor_shape(name))) for name in names
    )


def _layers(opened: OpenEngine) -> tuple[str, ...]:
    if TYPE_CHECKING:
        import tensorrt as trt
    else:
        trt = opened.library.module
    text = opened.engine.create_engine_inspector().get_engine_information(trt.LayerInformationFormat.JSON)
    try:
        layers: list[Any] = json.loads(text).get("Layers", [])
    except ValueError:
        return ()
    # Names alone for an engine of low verbosity, otherwise an object a layer.
    return tuple(str(layer["Name"] if isinstance(layer, dict) else layer) for layer in layers)
