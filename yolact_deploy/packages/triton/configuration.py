"""The text of `config.pbtxt`: a ModelConfig of Triton's model_config.proto, in protobuf's text form."""

from __future__ import annotations

from collections.abc import Sequence

from ...artifacts.manifest import TensorRange
from ...artifacts.outputs import IMAGE_INPUT
from ..model import ModelFile
from .front import PICTURE, RESULT, THRESHOLD

FRONT_INSTANCES = 4  # processes that decode pictures and encode masks
_TYPES = {"uint8": "TYPE_UINT8", "int32": "TYPE_INT32", "float32": "TYPE_FP32"}
_OPEN = -1  # Triton's mark of a size that each request chooses


def backend_of(served: ModelFile) -> str:
    """Triton's name of what runs the exported model."""
    return "onnxruntime" if served.manifest is None else "tensorrt"


def core_configuration(served: ModelFile, name: str, max_batch: int) -> str:
    """Of the exported model; max_batch 0: the batch is a dimension like the others."""
    batching = "dynamic_batching { }\n" if max_batch else ""
    inputs = _tensors("input", [served.input], max_batch)
    outputs = _tensors("output", served.outputs, max_batch)
    batches = sorted({1, max_batch}) if max_batch else [0]
    warmups = "".join(_warmup(served, batch, bool(max_batch)) for batch in batches)
    head = f'name: "{name}"\nbackend: "{backend_of(served)}"\nmax_batch_size: {max_batch}\n'
    return head + inputs + outputs + batching + warmups


def front_configuration(name: str, score_threshold: float) -> str:
    """Of the front: one picture per request. Several processes work on requests at the same time."""
    return f"""\
name: "{name}"
backend: "python"
max_batch_size: 0
input [ {{ name: "{PICTURE}" data_type: TYPE_UINT8 dims: [ {_OPEN} ] }} ]
output [ {{ name: "{RESULT}" data_type: TYPE_UINT8 dims: [ {_OPEN} ] }} ]
instance_group [ {{ kind: KIND_CPU count: {FRONT_INSTANCES} }} ]
parameters {{ key: "{THRESHOLD}" value {{ string_value: "{score_threshold!r}" }} }}
"""


def _tensors(field: str, tensors: Sequence[TensorRange], max_batch: int) -> str:
    """The inputs or outputs. A tensor with no dimension but the batch has one of size 1 in requests and answers."""
    entries = []
    for tensor in tensors:
        sizes = [size if size == low else _OPEN for low, size in zip(tensor.min, tensor.max, strict=True)]
        if max_batch:
            del sizes[0]
        reshape = "" if sizes else " reshape { shape: [ ] }"
        dims = ", ".join(map(str, sizes or [1]))
        entries.append(f'  {{ name: "{tensor.name}" data_type: {_TYPES[tensor.dtype]} dims: [ {dims} ]{reshape} }}')
    return f"{field} [\n" + ",\n".join(entries) + "\n]\n"


def _warmup(served: ModelFile, batch: int, is_batched: bool) -> str:
    """One call with a black image before the server says that it is ready."""
    sizes = list(served.input.opt)
    if served.manifest is None and served.input.name == IMAGE_INPUT:
        side = served.metadata.config.image_size
        sizes[1:3] = [side, side]
    dims = ", ".join(map(str, sizes[1:] if is_batched else sizes))
    return f"""\
model_warmup [ {{
  name: "black image{f", batch {batch}" if is_batched else ""}"
  batch_size: {batch if is_batched else 1}
  inputs {{
    key: "{served.input.name}"
    value {{ data_type: {_TYPES[served.input.dtype]} dims: [ {dims} ] zero_data: true }}
  }}
}} ]
"""
