"""What a file is: a checkpoint, or an ONNX file of ours or of somebody else."""

from __future__ import annotations

import collections
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..artifacts.kinds import Kind, kind_of
from ..artifacts.metadata import ModelMetadata
from ..artifacts.onnx_file import is_ours, load_onnx, read_metadata
from ..config.model import ModelConfig
from ..config.postprocess import PostprocessConfig
from ..dependencies import require
from ..errors import ModelFileError
from ..files import sha256_of
from .engine import EngineInfo, inspect_engine

_BUFFER_SUFFIXES = ("running_mean", "running_var", "num_batches_tracked")  # batch norm's, not trained


@dataclass(frozen=True)
class CheckpointInfo:
    """A checkpoint and the configuration that it fits."""

    path: Path
    size_bytes: int
    sha256: str
    family: str  # the code base that wrote it
    file_format: str  # "zip", "legacy" or "safetensors"
    config: ModelConfig
    postprocess: PostprocessConfig  # the family's rules
    backbone: str  # such as "ResNet-50"
    num_priors: int  # N
    proto_size: int  # Hp = Wp, px
    parameters: int  # trained values
    dropped_keys: tuple[str, ...]  # that inference does not need
    notes: tuple[str, ...]


@dataclass(frozen=True)
class TensorInfo:
    """An input or output of an ONNX graph."""

    name: str
    dtype: str  # such as "uint8"
    shape: tuple[int | str, ...]  # a name or "?" where the size is free


@dataclass(frozen=True)
class DomainNode:
    """A node of an operator domain that is not ONNX's own."""

    domain: str
    operator: str
    name: str
    attributes: dict[str, Any]


@dataclass(frozen=True)
class OnnxFunction:
    """A model-local function: what a domain node means in other operators."""

    domain: str
    name: str
    num_nodes: int


@dataclass(frozen=True)
class OnnxInfo:
    """An ONNX file of anybody's."""

    path: Path
    size_bytes: int
    sha256: str
    producer: str
    ir_version: int
    opsets: dict[str, int]  # by domain; ONNX's own is "ai.onnx"
    inputs: tuple[TensorInfo, ...]
    outputs: tuple[TensorInfo, ...]
    domain_nodes: tuple[DomainNode, ...]
    functions: tuple[OnnxFunction, ...]
    operators: dict[str, int]  # nodes of the main graph by operator, most frequent first
    parameters: int  # values in initializers
    is_ours: bool  # made by yolact-deploy
    metadata: ModelMetadata | None  # of ours, where this version can read it
    notes: tuple[str, ...]


def inspect_file(
    path: str | Path,
    config: ModelConfig | None = None,
    class_names: tuple[str, ...] | None = None,
    family: str | None = None,
) -> CheckpointInfo | OnnxInfo | EngineInfo:
    """Say what `path` is. config, family: for a checkpoint whose tensors do not tell them. class_names: in place of its
    own.

    Raises CheckpointError or ModelFileError when it is missing, damaged or of an unknown kind, ConfigError for another
    number of class names, MissingDependencyError when torch or onnx is needed and not installed.
    """
    path = Path(path)
    if not path.is_file():
        raise ModelFileError(f"{path} is a folder: name a file" if path.is_dir() else f"no such file: {path}")
    kind = kind_of(path)
    if kind is Kind.CHECKPOINT:
        return inspect_checkpoint(path, config, class_names, family)
    if family is not None:
        raise ModelFileError(f"{path} is no checkpoint, and only those are of a family: leave out --family")
    if kind is Kind.ONNX:
        onnx_info = inspect_onnx(path)
        named = None if onnx_info.metadata is None else onnx_info.metadata.with_class_names(class_names)
        return replace(onnx_info, metadata=named)
    info = inspect_engine(path)
    if info.manifest is None:
        return info
    return replace(info, manifest=replace(info.manifest, metadata=info.manifest.metadata.with_class_names(class_names)))


def inspect_checkpoint(
    path: str | Path,
    config: ModelConfig | None = None,
    class_names: tuple[str, ...] | None = None,
    family: str | None = None,
) -> CheckpointInfo:
    """Read a checkpoint. Raises CheckpointError when it is damaged or of another architecture."""
    require("torch", "reading a checkpoint")
    from ..checkpoints.reader import read_checkpoint

    path = Path(path)
    checkpoint = read_checkpoint(path, config, class_names=class_names, family=family)
    config = checkpoint.config
    return CheckpointInfo(
        path=path,
        size_bytes=path.stat().st_size,
        sha256=checkpoint.sha256,
        family=checkpoint.family,
        file_format=checkpoint.file_format,
        config=config,
        postprocess=checkpoint.postprocess,
        backbone=config.backbone.describe(),
        num_priors=config.num_priors,
        proto_size=config.proto_size,
        parameters=sum(
            tensor.numel() for key, tensor in checkpoint.state_dict.items() if not key.endswith(_BUFFER_SUFFIXES)
        ),
        dropped_keys=checkpoint.dropped_keys,
        notes=checkpoint.notes,
    )


def inspect_onnx(path: str | Path) -> OnnxInfo:
    """Read an ONNX file, ours or not. Raises ModelFileError when it is damaged or not ONNX."""
    path = Path(path)
    model = load_onnx(path, "inspecting an ONNX file")
    metadata, notes = _read_metadata(model, path)
    operators = collections.Counter(_qualified(node) for node in model.graph.node)
    return OnnxInfo(
        path=path,
        size_bytes=path.stat().st_size,
        sha256=sha256_of(path),
        producer=f"{model.producer_name} {model.producer_version}".strip(),
        ir_version=model.ir_version,
        opsets={entry.domain or "ai.onnx": entry.version for entry in model.opset_import},
        inputs=tuple(_tensor_info(value) for value in _real_inputs(model.graph)),
        outputs=tuple(_tensor_info(value) for value in model.graph.output),
        domain_nodes=tuple(_domain_node(node) for node in model.graph.node if not _is_standard(node.domain)),
        functions=tuple(OnnxFunction(body.domain, body.name, len(body.node)) for body in model.functions),
        operators=dict(operators.most_common()),
        parameters=sum(_count(tensor.dims) for tensor in model.graph.initializer),
        is_ours=is_ours(model),
        metadata=metadata,
        notes=notes,
    )


def _read_metadata(model: Any, path: Path) -> tuple[ModelMetadata | None, tuple[str, ...]]:
    """Our metadata, and notes on why the file cannot be run."""
    if not is_ours(model):
        return None, ()
    try:
        return read_metadata(path), ()
    except ModelFileError as error:  # still worth telling the rest
        return None, (str(error),)


def _real_inputs(graph: Any) -> list[Any]:
    """Inputs without the initializers that old files list among them."""
    initializers = {tensor.name for tensor in graph.initializer}
    return [value for value in graph.input if value.name not in initializers]


def _tensor_info(value: Any) -> TensorInfo:
    tensor = value.type.tensor_type
    shape = tuple(
        dimension.dim_value if dimension.HasField("dim_value") else dimension.dim_param or "?"
        for dimension in tensor.shape.dim
    )
    return TensorInfo(value.name, _dtype_name(tensor.elem_type), shape)


def _dtype_name(element_type: int) -> str:
    onnx = require("onnx", "inspecting an ONNX file")
    try:
        return str(onnx.helper.tensor_dtype_to_np_dtype(element_type))
    except (KeyError, ValueError):  # no tensor at all, or a type of a newer ONNX
        return "?"


def _domain_node(node: Any) -> DomainNode:
    onnx = require("onnx", "inspecting an ONNX file")
    attributes = {}
    for attribute in node.attribute:
        value = onnx.helper.get_attribute_value(attribute)
        if isinstance(value, bytes):
            value = value.decode("utf-8", "replace")
        attributes[attribute.name] = value if isinstance(value, (int, float, str)) else str(value)
    return DomainNode(node.domain, node.op_type, node.name, attributes)


def _is_standard(domain: str) -> bool:
    return domain in ("", "ai.onnx")


def _qualified(node: Any) -> str:
    return str(node.op_type) if _is_standard(node.domain) else f"{node.domain}.{node.op_type}"


def _count(dims: Any) -> int:
    count = 1
    for size in dims:
        count *= size
    return count
