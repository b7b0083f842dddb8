"""What an int8 file says of its quantisation, and what its nodes show."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from ..config.plain_values import parse_json

CPU_LAYOUT, TENSORRT_LAYOUT = LAYOUTS = ("cpu", "tensorrt")
QUANTIZE, DEQUANTIZE = "QuantizeLinear", "DequantizeLinear"
_QUANTISED = (QUANTIZE, DEQUANTIZE, "DynamicQuantizeLinear", "ConvInteger", "MatMulInteger")
_QUANTISED_PREFIXES = ("QLinear", "QGemm")
# Element types of onnx.TensorProto.
_UINT8, _INT32 = 2, 6


@dataclass(frozen=True)
class Quantization:
    """How a network was quantised to int8."""

    layout: str  # one of LAYOUTS
    method: str  # by which ranges were chosen from the statistics
    pictures: int  # that were calibrated on
    source: str  # where they came from: the name of a folder
    rest: str  # precision of what is not int8: fp32 or fp16
    kept: tuple[str, ...] = ()  # stages that are not int8

    def to_json(self) -> str:
        """For the metadata of a file."""
        return json.dumps({**vars(self), "kept": list(self.kept)})

    @classmethod
    def from_json(cls, text: str) -> Quantization:
        """The inverse of `to_json`. Raises KeyError, TypeError, ValueError or ConfigError for anything else."""
        values = parse_json(text)
        found = cls(**{**values, "kept": tuple(values["kept"])})
        words = (found.layout, found.method, found.source, found.rest, *found.kept)
        if (
            found.layout not in LAYOUTS
            or found.rest not in ("fp32", "fp16")
            or type(found.pictures) is not int
            or not all(isinstance(word, str) for word in words)
        ):
            raise ValueError(f"quantisation {text[:100]}")
        return found

    def describe(self) -> str:
        """Such as "cpu layout, minmax on 128 pictures of train, kept in fp32: conf"."""
        kept = f", kept in {self.rest}: {', '.join(self.kept)}" if self.kept else ""
        rest = f", the rest in {self.rest}" if self.rest != "fp32" and not self.kept else ""
        return f"{self.layout} layout, {self.method} on {self.pictures} pictures of {self.source}{kept}{rest}"


def is_quantising(operator: str) -> bool:
    """Whether an operator computes in 8 bits, or turns values into them or back."""
    return operator in _QUANTISED or operator.startswith(_QUANTISED_PREFIXES)


def is_quantised(model: Any) -> bool:
    """Whether any node of an `onnx.ModelProto` computes in 8 bits, or turns values into them or back."""
    return any(is_quantising(node.op_type) for node in model.graph.node)


def layout_of(model: Any) -> str:
    """The layout of a quantised `onnx.ModelProto`, from its nodes.

    TensorRT takes symmetric int8 only: no uint8, no operator on integers, and no int32 bias to dequantise.
    """
    types = {tensor.name: tensor.data_type for tensor in model.graph.initializer}
    for node in model.graph.node:
        zero_point = node.input[2] if node.op_type in (QUANTIZE, DEQUANTIZE) and len(node.input) > 2 else ""
        is_unsigned = types.get(zero_point) == _UINT8 or (node.op_type == QUANTIZE and not zero_point)
        is_bias = node.op_type == DEQUANTIZE and types.get(node.input[0]) == _INT32
        is_integer = is_quantising(node.op_type) and node.op_type not in (QUANTIZE, DEQUANTIZE)
        if is_unsigned or is_bias or is_integer:
            return CPU_LAYOUT
    return TENSORRT_LAYOUT
