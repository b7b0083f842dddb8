"""`YolactFastNMS` as an ONNX model-local function; see `domain.py`."""

from __future__ import annotations

from typing import Any

import onnx

from yolact_deploy.artifacts.operators import FAST_NMS
from yolact_deploy.config.model import PostprocessConfig
from yolact_deploy.export.graph.domain import PLUGIN_ATTRIBUTES, parse_function
from yolact_deploy.ops.boxes import CENTER_VARIANCE, FINITE_LIMIT, MIN_AREA, SIZE_VARIANCE

_DROPPED = -1.0  # score of what is no detection; real ones are probabilities, 0 and more
_IOU_BLOCKS = 4  # only pairs below the diagonal matter: four blocks of rows compute 5/8 of the square


def fast_nms_attributes(config: PostprocessConfig) -> dict[str, Any]:
    """Attributes of a `YolactFastNMS` node."""
    return {
        "score_threshold": config.score_threshold,
        "iou_threshold": config.iou_threshold,
        "top_k": config.top_k,
        "max_detections": config.max_detections,
        "cross_class": int(config.cross_class),
        **PLUGIN_ATTRIBUTES,
    }


def fast_nms_function(config: PostprocessConfig, num_priors: int, num_classes: int) -> onnx.FunctionProto:
    """`YolactFastNMS`: loc [B,N,4], conf [B,N,1+C], coef [B,N,K], priors [N,4] -> boxes [B,D,4], scores [B,D],
    classes [B,D] int32, coefs [B,D,K], num_detections [B] int32; rows past num_detections are zero."""
    candidates = min(config.top_k, num_priors)  # n: a class
    rows = 1 if config.cross_class else num_classes
    body = "\n".join(
        (
            _CONSTANTS,
            _decode("x", "w"),
            _decode("y", "h"),
            _candidate_scores(config),
            _best_of_each_row(candidates),
            _worst_overlap(candidates),
            _best_of_all(config, rows * candidates, candidates),
            _gather_results(config),
        )
    )
    attributes = ", ".join(fast_nms_attributes(config))
    signature = f"<{attributes}> (loc, conf, coef, priors) => (boxes, scores, classes, coefs, num_detections)"
    return parse_function(FAST_NMS, signature, body)


_CONSTANTS = f"""
  axis1 = Constant<value = int64[1] {{1}}>()
  axis2 = Constant<value = int64[1] {{2}}>()
  axis3 = Constant<value = int64[1] {{3}}>()
  zero = Constant<value = float {{0.0}}>()
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


def _decode(axis: str, size: str) -> str:
    """boxes.decode along one axis, in its order of operations: {axis}1, {axis}2 [B,N]."""
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
  {axis}1 = Sub(center_{axis}, half_{size})
  {axis}2 = Add(extent_{size}, {axis}1)
  abs_{axis}1 = Abs({axis}1)
  abs_{axis}2 = Abs({axis}2)
  reach_{axis} = Add(abs_{axis}1, abs_{axis}2)
"""


def _candidate_scores(config: PostprocessConfig) -> str:
    """Scores by class with dropped priors marked: candidate_scores [B,C',N]. A comparison with NaN is false."""
    by_class = f"""
  score_threshold = Constant<value = float {{{config.score_threshold!r}}}>()
  to_end = Constant<value = int64[1] {{{2**63 - 1}}}>()
  conf_by_class = Transpose<perm: ints = [0, 2, 1]>(conf)
  class_scores = Slice(conf_by_class, axis1, to_end, axis1)
  best_score = ReduceMax<keepdims: int = 0>(class_scores, axis1)
  score_sum = ReduceSum<keepdims: int = 0>(class_scores, axis1)
  score_reach = Abs(score_sum)
  box_reach = Add(reach_x, reach_y)
  is_above = Greater(best_score, score_threshold)
  is_score_finite = LessOrEqual(score_reach, finite_limit)
  is_box_finite = LessOrEqual(box_reach, finite_limit)
  is_finite = And(is_score_finite, is_box_finite)
  is_candidate = And(is_above, is_finite)
  is_candidate_row = Unsqueeze(is_candidate, axis1)
"""
    if config.cross_class:
        return f"""{by_class}
  best_class = ArgMax<axis: int = 1, keepdims: int = 0>(class_scores)
  best_score_row = Unsqueeze(best_score, axis1)
  candidate_scores = Where(is_candidate_row, best_score_row, dropped)
"""
    return f"""{by_class}
  candidate_scores = Where(is_candidate_row, class_scores, dropped)
"""


def _best_of_each_row(candidates: int) -> str:
    """The n best of each class, best first: row_scores, row_x1 ... [B,C',n], row_area, row_priors [B,C'*n]."""
    gathers = "".join(
        f"""
  flat_{name} = GatherElements<axis: int = 1>({name}, row_priors)
  row_{name} = Reshape(flat_{name}, rows_shape)"""
        for name in ("x1", "y1", "x2", "y2")
    )
    return f"""
  candidate_count = Constant<value = int64[1] {{{candidates}}}>()
  flat_shape = Constant<value = int64[2] {{0, -1}}>()
  row_scores, row_indices = TopK<axis: int = -1>(candidate_scores, candidate_count)
  rows_shape = Shape(row_scores)
  row_priors = Reshape(row_indices, flat_shape)
{gathers}
  row_width = Sub(row_x2, row_x1)
  row_height = Sub(row_y2, row_y1)
  row_product = Mul(row_width, row_height)
  row_area = Max(row_product, min_area)
"""


def _worst_overlap(candidates: int) -> str:
    """Largest IoU of each with a better one of its class: overlap [B,C',n]."""
    blocks = _IOU_BLOCKS if candidates % _IOU_BLOCKS == 0 else 1
    size = candidates // blocks
    text = []
    for name in ("x1", "y1", "x2", "y2", "area"):
        parts = ", ".join(f"{name}_part{block}" for block in range(blocks))
        text.append(f"  {parts} = Split<axis: int = 2, num_outputs: int = {blocks}>(row_{name})")
    for block in range(blocks):
        for name in ("x1", "y1", "x2", "y2", "area"):
            better = ", ".join(f"{name}_part{index}" for index in range(block + 1))
            text.append(f"""
  {name}_upto{block} = Concat<axis: int = 2>({better})
  {name}_better{block} = Unsqueeze({name}_upto{block}, axis2)
  {name}_this{block} = Unsqueeze({name}_part{block}, axis3)""")
        text.append(_iou_block(block, first_row=block * size))
    overlaps = ", ".join(f"overlap{block}" for block in range(blocks))
    return "\n".join(text) + f"\n  overlap = Concat<axis: int = 2>({overlaps})\n"


def _iou_block(block: int, first_row: int) -> str:
    """boxes.box_iou of a block of rows with all that can be better: overlap{block} [B,C',rows].

    Only one side length is held at 0: with the other negative, so is the IoU, and a maximum does not see it.
    """
    b = block
    return f"""
  right{b} = Min(x2_this{b}, x2_better{b})
  left{b} = Max(x1_this{b}, x1_better{b})
  wide{b} = Sub(right{b}, left{b})
  common_width{b} = Relu(wide{b})
  bottom{b} = Min(y2_this{b}, y2_better{b})
  top{b} = Max(y1_this{b}, y1_better{b})
  common_height{b} = Sub(bottom{b}, top{b})
  intersection{b} = Mul(common_width{b}, common_height{b})
  areas{b} = Add(area_this{b}, area_better{b})
  union{b} = Sub(areas{b}, intersection{b})
  iou{b} = Div(intersection{b}, union{b})
  diagonal{b} = Constant<value = int64 {{{first_row - 1}}}>()
  iou_with_better{b} = Trilu<upper: int = 0>(iou{b}, diagonal{b})
  overlap{b} = ReduceMax<keepdims: int = 0>(iou_with_better{b}, axis3)
"""


def _best_of_all(config: PostprocessConfig, total: int, candidates: int) -> str:
    """The D best survivors of all classes: result_scores, winners (indices into the flat rows) [B,D]."""
    count = config.output_count
    pad = ""
    if total < count:  # TopK cannot return more than there is
        pad = f"""
  padding = Constant<value = int64[4] {{0, 0, 0, {count - total}}}>()
  survivor_scores_flat_padded = Pad(survivor_scores_flat, padding, dropped)
  zero_index = Constant<value = int64 {{0}}>()
  row_priors_padded = Pad(row_priors, padding, zero_index)
"""
    suffix = "_padded" if pad else ""
    return f"""
  iou_threshold = Constant<value = float {{{config.iou_threshold!r}}}>()
  output_count = Constant<value = int64[1] {{{count}}}>()
  survives = LessOrEqual(overlap, iou_threshold)
  survivor_scores = Where(survives, row_scores, dropped)
  survivor_scores_flat = Reshape(survivor_scores, flat_shape)
{pad}
  result_scores, winners = TopK<axis: int = -1>(survivor_scores_flat{suffix}, output_count)
  winner_priors = GatherElements<axis: int = 1>(row_priors{suffix}, winners)
  row_length = Constant<value = int64 {{{candidates}}}>()
"""


def _gather_results(config: PostprocessConfig) -> str:
    """The winners' values, zero where there are fewer than D."""
    columns = "".join(
        f"""
  result_{name} = GatherElements<axis: int = 1>({name}, winner_priors)
  column_{name} = Unsqueeze(result_{name}, axis2)"""
        for name in ("x1", "y1", "x2", "y2")
    )
    if config.cross_class:
        winner_classes = "winner_classes = GatherElements<axis: int = 1>(best_class, winner_priors)"
    else:
        winner_classes = "winner_classes = Div(winners, row_length)"
    return f"""
{columns}
  {winner_classes}
  result_boxes = Concat<axis: int = 2>(column_x1, column_y1, column_x2, column_y2)
  winner_classes_int32 = Cast<to: int = {onnx.TensorProto.INT32}>(winner_classes)
  coef_indices = Unsqueeze(winner_priors, axis2)
  result_coefs = GatherND<batch_dims: int = 1>(coef, coef_indices)
  is_detection = GreaterOrEqual(result_scores, zero)
  is_detection_int32 = Cast<to: int = {onnx.TensorProto.INT32}>(is_detection)
  is_detection_row = Unsqueeze(is_detection, axis2)
  boxes = Where(is_detection_row, result_boxes, zero)
  scores = Where(is_detection, result_scores, zero)
  classes = Mul(winner_classes_int32, is_detection_int32)
  coefs = Where(is_detection_row, result_coefs, zero)
  num_detections = ReduceSum<keepdims: int = 0>(is_detection_int32, axis1)
"""
