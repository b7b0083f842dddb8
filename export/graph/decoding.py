"""Constants and the decoding of boxes as text of an ONNX function; part of `fast_nms.py`."""

from __future__ import annotations

from yolact_deploy.ops.boxes import CENTER_VARIANCE, FINITE_LIMIT, MIN_AREA, SIZE_VARIANCE

_DROPPED = -1.0  # score of what is no detection; real ones are probabilities, 0 and more

CONSTANTS = f"""
  axis1 = Constant<value = int64[1] {{1}}>()
  axis2 = Constant<value = int64[1] {{2}}>()
  axis3 = Constant<value = int64[1] {{3}}>()
  zero = Constant<value = float {{0.0}}>()
  one = Constant<value = float {{1.0}}>()
  two = Constant<value = float {{2.0}}>()
  center_variance = Constant<value = float {{{CENTER_VARIANCE}}}>()
  size_variance = Constant<value = float {{{SIZE_VARIANCE}}}>()
  finite_limit = Constant<value = float {{{FINITE_LIMIT:.1f}}}>()
  min_area = Constant<value = float {{{MIN_AREA!r}}}>()
  dropped = Constant<value = float {{{_DROPPED}}}>()
  loc_columns_x, loc_columns_y, loc_columns_w, loc_columns_h = Split<axis: int = 2, num_outputs: int = 4>(loc)
  prior_columns_x, prior_columns_y, prior_columns_w, prior_columns_h =
      Split<axis: int = 1, num_outputs: int = 4>(priors)
"""


def decoded(axis: str, size: str, is_clipped: bool) -> str:
    """boxes.decode along one axis, in its order of operations: {axis}1, {axis}2 [B,N], and their reach, which says
    whether they are finite, before they are clipped."""
    before = "decoded_" if is_clipped else ""
    clipped = "".join(
        f"""
  {axis}{end}_from_0 = Max(decoded_{axis}{end}, zero)
  {axis}{end} = Min({axis}{end}_from_0, one)"""
        for end in (1, 2)
        if is_clipped
    )
    return f"""
  loc_{axis} = Squeeze(loc_columns_{axis}, axis2)
  loc_{size} = Squeeze(loc_columns_{size}, axis2)
  prior_{axis} = Squeeze(prior_columns_{axis}, axis1)
  prior_{size} = Squeeze(prior_columns_{size}, axis1)
  step_{axis} = Mul(loc_{axis}, center_variance)
  shift_{axis} = Mul(step_{axis}, prior_{size})
  center_{axis} = Add(prior_{axis}, shift_{axis})
  log_{size} = Mul(loc_{size}, size_variance)
  factor_{size} = Exp(log_{size})
  extent_{size} = Mul(prior_{size}, factor_{size})
  half_{size} = Div(extent_{size}, two)
  {before}{axis}1 = Sub(center_{axis}, half_{size})
  {before}{axis}2 = Add(extent_{size}, {before}{axis}1)
  abs_{axis}1 = Abs({before}{axis}1)
  abs_{axis}2 = Abs({before}{axis}2)
  reach_{axis} = Add(abs_{axis}1, abs_{axis}2)
{clipped}
"""
