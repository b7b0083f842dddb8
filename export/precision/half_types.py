"""The half-precision number formats, and weights in them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from yolact_deploy.errors import ModelFileError


@dataclass(frozen=True)
class HalfType:
    """A 16-bit floating-point format."""

    name: str  # as in metadata.ModelMetadata.precision
    element_type: int  # of onnx.TensorProto
    largest: float
    smallest_normal: float  # below it, digits are lost one by one
    min_opset: int  # of ONNX's operators, for convolutions in this type

    def encode(self, values: np.ndarray) -> np.ndarray:
        """float32 -> the format's bits, uint16, rounded to nearest, ties to even. Values must be finite."""
        if self.element_type == TensorProto.FLOAT16:
            return values.astype(np.float16).view(np.uint16)
        # bfloat16 is the upper half of a float32. Written out because numpy has no such type.
        bits = values.view(np.uint32)
        rounding = np.uint32(0x7FFF) + ((bits >> 16) & 1)
        return ((bits + rounding) >> 16).astype(np.uint16)

    def decode(self, bits: np.ndarray) -> np.ndarray:
        """The inverse of `encode`, without loss."""
        if self.element_type == TensorProto.FLOAT16:
            return bits.view(np.float16).astype(np.float32)
        return (bits.astype(np.uint32) << 16).view(np.float32)


HALF_TYPES = {
    "fp16": HalfType("fp16", TensorProto.FLOAT16, 65504.0, 2.0**-14, min_opset=13),
    "bf16": HalfType("bf16", TensorProto.BFLOAT16, 255 * 2.0**120, 2.0**-126, min_opset=22),
}


@dataclass(frozen=True)
class WeightLoss:
    """What rounding did to the weights."""

    tensors: int
    values: int
    zeroed: int  # were not zero, and are now
    subnormal: int  # fell below the smallest normal number, and keep some of their digits

    def __add__(self, other: WeightLoss) -> WeightLoss:
        return WeightLoss(
            self.tensors + other.tensors,
            self.values + other.values,
            self.zeroed + other.zeroed,
            self.subnormal + other.subnormal,
        )


NO_LOSS = WeightLoss(0, 0, 0, 0)


def half_weight(tensor: Any, half: HalfType, name: str, source: object) -> tuple[onnx.TensorProto, WeightLoss]:
    """float32 `tensor` of the model `source` as `half`, called `name`, and what that cost.

    Nothing is clamped. Raises ModelFileError, naming the tensor, for values that are not finite or too large, and
    where no value but zero is left.
    """
    values = np.ascontiguousarray(numpy_helper.to_array(tensor))
    largest = float(np.abs(values).max(initial=0.0))
    if not np.isfinite(largest):
        raise ModelFileError(
            f"{source}: the weight {tensor.name} holds values that are not finite: train or export again"
        )
    if largest > half.largest:
        raise ModelFileError(
            f"{source}: the weight {tensor.name} reaches {largest:.6g}, {half.name} ends at {half.largest:.6g}: "
            f"{_way_out(half)}"
        )
    bits = half.encode(values)
    rounded = half.decode(bits)
    loss = WeightLoss(
        tensors=1,
        values=values.size,
        zeroed=int(np.count_nonzero((values != 0) & (rounded == 0))),
        subnormal=int(np.count_nonzero((rounded != 0) & (np.abs(rounded) < half.smallest_normal))),
    )
    if loss.zeroed and not rounded.any():
        raise ModelFileError(
            f"{source}: every value of the weight {tensor.name} becomes zero in {half.name}, the largest is "
            f"{largest:.3g}: {_way_out(half)}"
        )
    return helper.make_tensor(name, half.element_type, values.shape, bits.tobytes(), raw=True), loss


def _way_out(half: HalfType) -> str:
    return "use bf16, or keep fp32" if half.name == "fp16" else "keep fp32"
