"""`YolactMaskAssembly` as ONNX model-local functions, one for each size that masks can have; see `domain.py`."""

from __future__ import annotations

from typing import Any

import onnx

from yolact_deploy.artifacts.metadata import IMAGE_SIZE_MASKS
from yolact_deploy.artifacts.operators import MASK_ASSEMBLY
from yolact_deploy.export.graph.domain import PLUGIN_ATTRIBUTES, parse_function
from yolact_deploy.ops.masks import MASK_THRESHOLD
from yolact_deploy.types import WORD_BITS

MASK_SIZE = "mask_size"  # attribute; a node without it makes masks at prototype size


def mask_assembly_attributes() -> dict[str, Any]:
    """Attributes of a `YolactMaskAssembly` node that makes masks at prototype size."""
    return dict(PLUGIN_ATTRIBUTES)


def image_mask_attributes() -> dict[str, Any]:
    """Attributes of a `YolactMaskAssembly` node that makes masks at the image's size."""
    return {MASK_SIZE: IMAGE_SIZE_MASKS, **PLUGIN_ATTRIBUTES}


def mask_assembly_function(proto_height: int, proto_width: int) -> onnx.FunctionProto:
    """`YolactMaskAssembly`: proto [B,Hp,Wp,K], coefs [B,D,K], boxes [B,D,4] -> masks [B,D,Hp,Wp].

    A row whose box is four zeros is no detection, and its mask is zero.
    """
    attributes = ", ".join(mask_assembly_attributes())
    body = _cropped_masks("masks", proto_height, proto_width)
    return parse_function(MASK_ASSEMBLY, f"<{attributes}> (proto, coefs, boxes) => (masks)", body)


def image_mask_function(proto_height: int, proto_width: int) -> onnx.FunctionProto:
    """`YolactMaskAssembly` with mask_size="image": proto, coefs and boxes as above, image [B,H,W,3], of which only the
    sizes are used -> masks [B,D,H,ceil(W/32)] int32, pixel 32 w + b in bit b of word w.

    The masks at prototype size, upsampled bilinearly (align_corners=False) and thresholded. Meant for runtimes without
    the plugin: every pixel of all D masks passes through float32 here, which takes long and much memory.
    """
    attributes = ", ".join(image_mask_attributes())
    body = _cropped_masks("soft_masks", proto_height, proto_width) + _upsampled() + _packed()
    return parse_function(MASK_ASSEMBLY, f"<{attributes}> (proto, coefs, boxes, image) => (masks)", body)


def _cropped_masks(output: str, proto_height: int, proto_width: int) -> str:
    """Sigmoid and crop at prototype size: `output` [B,D,Hp,Wp]."""
    return f"""
  proto_by_channel = Transpose<perm: ints = [0, 3, 1, 2]>(proto)
  flat_shape = Constant<value = int64[3] {{0, 0, -1}}>()
  proto_flat = Reshape(proto_by_channel, flat_shape)
  logits = MatMul(coefs, proto_flat)
  soft_flat = Sigmoid(logits)
  mask_shape = Constant<value = int64[4] {{0, 0, {proto_height}, {proto_width}}}>()
  soft = Reshape(soft_flat, mask_shape)
  zero = Constant<value = float {{0.0}}>()
  one = Constant<value = float {{1.0}}>()
  axis2 = Constant<value = int64[1] {{2}}>()
  axis3 = Constant<value = int64[1] {{3}}>()
  column_x1, column_y1, column_x2, column_y2 = Split<axis: int = 2, num_outputs: int = 4>(boxes)
  box_reach = ReduceL1<keepdims: int = 1>(boxes, axis2)
  is_detection = Greater(box_reach, zero)
{_inside("x", proto_width, "axis2")}
{_inside("y", proto_height, "axis3")}
  inside = Mul(inside_x, inside_y)
  {output} = Mul(soft, inside)
"""


def _inside(axis: str, size: int, new_axis: str) -> str:
    """boxes.crop_windows along one axis: inside_x [B,D,1,Wp] or inside_y [B,D,Hp,1], 1 inside and 0 outside.

    Numbers, because a product is five times as fast in ONNX Runtime as choosing with Where.
    """
    positions = ", ".join(f"{index}.0" for index in range(size))
    return f"""
  size_{axis} = Constant<value = float {{{float(size)}}}>()
  positions_{axis} = Constant<value = float[{size}] {{{positions}}}>()
  scaled_{axis}1 = Mul(column_{axis}1, size_{axis})
  scaled_{axis}2 = Mul(column_{axis}2, size_{axis})
  low_{axis} = Min(scaled_{axis}1, scaled_{axis}2)
  high_{axis} = Max(scaled_{axis}1, scaled_{axis}2)
  low_padded_{axis} = Sub(low_{axis}, one)
  high_padded_{axis} = Add(high_{axis}, one)
  low_held_{axis} = Max(low_padded_{axis}, zero)
  high_held_{axis} = Min(high_padded_{axis}, size_{axis})
  is_past_low_{axis} = GreaterOrEqual(positions_{axis}, low_held_{axis})
  is_before_high_{axis} = Less(positions_{axis}, high_held_{axis})
  is_within_{axis} = And(is_past_low_{axis}, is_before_high_{axis})
  is_kept_{axis} = And(is_within_{axis}, is_detection)
  kept_{axis} = Cast<to: int = {onnx.TensorProto.FLOAT}>(is_kept_{axis})
  inside_{axis} = Unsqueeze(kept_{axis}, {new_axis})
"""


def _upsampled() -> str:
    """soft_masks at the image's size: upsampled [B,D,H,W]. Whole sizes, not the attribute `axes`, see graph.py."""
    return """
  batch_and_masks = Shape<start: int = 0, end: int = 2>(soft_masks)
  height_and_width = Shape<start: int = 1, end: int = 3>(image)
  sizes = Concat<axis: int = 0>(batch_and_masks, height_and_width)
  upsampled = Resize<mode: string = "linear", coordinate_transformation_mode: string = "half_pixel">
      (soft_masks, , , sizes)
"""


def _packed() -> str:
    """Pixels above the threshold as bits of words. A row that is no whole number of words is filled up with zeros."""
    weights = ", ".join(str(1 << bit) for bit in range(WORD_BITS - 1))
    return f"""
  width = Shape<start: int = 2, end: int = 3>(image)
  word_bits = Constant<value = int64[1] {{{WORD_BITS}}}>()
  last_bit = Constant<value = int64[1] {{{WORD_BITS - 1}}}>()
  width_and_more = Add(width, last_bit)
  word_count = Div(width_and_more, word_bits)
  whole_width = Mul(word_count, word_bits)
  missing = Sub(whole_width, width)
  no_padding = Constant<value = int64[7] {{0, 0, 0, 0, 0, 0, 0}}>()
  padding = Concat<axis: int = 0>(no_padding, missing)
  whole_rows = Pad(upsampled, padding, zero)
  threshold = Constant<value = float {{{MASK_THRESHOLD}}}>()
  is_set = Greater(whole_rows, threshold)
  bits = Cast<to: int = {onnx.TensorProto.INT32}>(is_set)
  word_shape = Constant<value = int64[5] {{0, 0, 0, -1, {WORD_BITS}}}>()
  bits_by_word = Reshape(bits, word_shape)
  bit_values = Constant<value = int32[{WORD_BITS}] {{{weights}, {-(1 << (WORD_BITS - 1))}}}>()
  set_values = Mul(bits_by_word, bit_values)
  axis4 = Constant<value = int64[1] {{4}}>()
  masks = ReduceSum<keepdims: int = 0>(set_values, axis4)
"""
