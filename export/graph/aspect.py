"""`ModelConfig.resize` "keep_aspect" in nodes: what `ops/view.py` says, around the network and the domain nodes.

An image of H x W px is padded to a square of M = max(H, W) px before it is resized. The domain nodes know nothing of
that: they work on the square, and what they give is brought back to the image afterwards.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from yolact_deploy.artifacts.tensor_names import FLOAT_IMAGE, PADDED_IMAGE
from yolact_deploy.config.model import ModelConfig
from yolact_deploy.types import WORD_BITS

SQUARE_BOXES = "postprocess/square_boxes"  # [B,D,4], relative to the square
SQUARE_MASKS = "postprocess/square_masks"  # [B,D,M,ceil(M/32)] int32, packed

Part = tuple[list[onnx.NodeProto], list[onnx.TensorProto]]  # nodes, and the constants that they read


class _Nodes:
    """Collects nodes and constants whose names begin with a prefix."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self.part: Part = ([], [])

    def add(self, operator: str, inputs: list[str], name: str, output: str | None = None, **attributes: Any) -> str:
        """A node called PREFIX/NAME; returns its output, which is called the same unless `output` is given."""
        output = output or f"{self._prefix}/{name}"
        node = helper.make_node(operator, inputs, [output], name=f"{self._prefix}/{name}", **attributes)
        self.part[0].append(node)
        return output

    def constant(self, name: str, value: Any, dtype: type) -> str:
        """A constant called PREFIX/NAME."""
        name = f"{self._prefix}/{name}"
        self.part[1].append(numpy_helper.from_array(np.array(value, dtype), name))
        return name

    def image_size(self) -> tuple[str, str]:
        """H and W, each int64 [1]."""
        height = self.add("Shape", [FLOAT_IMAGE], "height", start=1, end=2)
        return height, self.add("Shape", [FLOAT_IMAGE], "width", start=2, end=3)


def padded_image(config: ModelConfig) -> Part:
    """FLOAT_IMAGE [B,H,W,3] -> PADDED_IMAGE [B,M,M,3], minus the mean, so that the padding is 0."""
    nodes = _Nodes("preprocess/square")
    height, width = nodes.image_size()
    side = nodes.add("Max", [height, width], "side")
    below, right = nodes.add("Sub", [side, height], "below"), nodes.add("Sub", [side, width], "right")
    before, after = nodes.constant("before", [0, 0, 0, 0, 0], np.int64), nodes.constant("after", [0], np.int64)
    padding = nodes.add("Concat", [before, below, right, after], "padding", axis=0)
    mean = nodes.constant("mean", config.normalization.mean, np.float32)
    centered = nodes.add("Sub", [FLOAT_IMAGE, mean], "centered")
    nodes.add("Pad", [centered, padding, nodes.constant("zero", 0, np.float32)], "padded", output=PADDED_IMAGE)
    return nodes.part


def image_boxes(output: str) -> Part:
    """SQUARE_BOXES -> `output`, relative to the image."""
    nodes = _Nodes("postprocess/box_scale")
    height, width = nodes.image_size()
    side = nodes.add("Max", [height, width], "side")
    sides = nodes.add("Concat", [width, height, width, height], "sides", axis=0)
    seen = nodes.add("Cast", [side], "side_as_float", to=TensorProto.FLOAT)
    scale = nodes.add("Div", [seen, nodes.add("Cast", [sides], "sides_as_float", to=TensorProto.FLOAT)], "scale")
    nodes.add("Mul", [SQUARE_BOXES, scale], "boxes", output=output)
    return nodes.part


def image_masks(output: str) -> Part:
    """SQUARE_MASKS -> `output` [B,D,H,ceil(W/32)], with zeros in the bits past the width.

    Of each word the lowest `kept` bits stay, 1 to 32. Without operators on bits, which TensorRT lacks: the sign is bit
    31, and the remainder of a division by 2 ** kept is what lies below.
    """
    nodes = _Nodes("postprocess/mask_cut")
    height, width = nodes.image_size()
    bits = nodes.constant("word_bits", [WORD_BITS], np.int64)
    more = nodes.add("Add", [width, nodes.constant("last_bit", [WORD_BITS - 1], np.int64)], "width_and_more")
    words = nodes.add("Div", [more, bits], "words")
    starts, axes = nodes.constant("starts", [0, 0], np.int64), nodes.constant("axes", [2, 3], np.int64)
    cut = nodes.add("Slice", [SQUARE_MASKS, starts, nodes.add("Concat", [height, words], "ends", axis=0), axes], "cut")
    zero, one = nodes.constant("zero", 0, np.int64), nodes.constant("one", 1, np.int64)
    index = nodes.add("Range", [zero, nodes.add("Squeeze", [words], "count"), one], "index")
    left = nodes.add("Sub", [width, nodes.add("Mul", [index, bits], "start")], "left")
    kept = nodes.add("Min", [left, bits], "kept")  # [words]
    factors = [0] + [1 << bit for bit in range(1, WORD_BITS - 1)] + [0, 0]  # by `kept`; 0: all below the sign stays
    signs = [0] * WORD_BITS + [-(1 << (WORD_BITS - 1))]
    factor = nodes.add("Gather", [nodes.constant("factors", factors, np.int32), kept], "factor")
    sign = nodes.add("Gather", [nodes.constant("signs", signs, np.int32), kept], "sign")
    is_below_zero = nodes.add("Less", [cut, nodes.constant("zero_word", 0, np.int32)], "is_negative")
    negative = nodes.add("Cast", [is_below_zero], "negative", to=TensorProto.INT32)
    sign_bit = nodes.add("Mul", [negative, nodes.constant("smallest", signs[-1], np.int32)], "sign_bit")
    magnitude = nodes.add("Sub", [cut, sign_bit], "magnitude")
    divisor = nodes.add("Max", [factor, nodes.constant("one_word", 1, np.int32)], "divisor")
    above = nodes.add("Mul", [nodes.add("Div", [magnitude, divisor], "quotient"), factor], "above")
    below = nodes.add("Sub", [magnitude, above], "below")
    nodes.add("Add", [below, nodes.add("Mul", [negative, sign], "kept_sign")], "masks", output=output)
    return nodes.part
