"""`YolactFastNMS` as an ONNX model-local function; see `domain.py`.

What is done per class looks at the FEW best priors alone, where a picture has no more candidates than that: an `If`
decides, so that the result is the same in any case.
"""

from __future__ import annotations

from typing import Any

import onnx

from yolact_deploy.artifacts.operators import FAST_NMS
from yolact_deploy.config.postprocess import PostprocessConfig
from yolact_deploy.export.graph.decoding import CONSTANTS, decoded
from yolact_deploy.export.graph.domain import PLUGIN_ATTRIBUTES, parse_function
from yolact_deploy.export.graph.levels import best_of_levels
from yolact_deploy.export.graph.overlap import worst_overlap

# Hardly any picture has more candidates, and the work per class grows with the number of priors that are looked at.
FEW = 1024


def fast_nms_attributes(config: PostprocessConfig) -> dict[str, Any]:
    """Attributes of a `YolactFastNMS` node."""
    return {
        "score_threshold": config.score_threshold,
        "iou_threshold": config.iou_threshold,
        "top_k": config.top_k,
        "max_detections": config.max_detections,
        "cross_class": int(config.cross_class),
        **_added_attributes(config),
        **PLUGIN_ATTRIBUTES,
    }


def _added_attributes(config: PostprocessConfig) -> dict[str, Any]:
    """Those of rules that the official code does not have, only where they are used: plugins of before do not know
    them."""
    added: dict[str, Any] = {name: 1 for name in ("clip_boxes", "threshold_per_class") if getattr(config, name)}
    if config.candidates_per_level:
        added |= {"candidates_per_level": config.candidates_per_level, "level_priors": list(config.level_priors)}
    return added


def fast_nms_function(config: PostprocessConfig, num_priors: int, num_classes: int) -> onnx.FunctionProto:
    """`YolactFastNMS`: loc [B,N,4], conf [B,N,1+C], coef [B,N,K], priors [N,4] -> boxes [B,D,4], scores [B,D],
    classes [B,D] int32, coefs [B,D,K], num_detections [B] int32; rows past num_detections are zero."""
    config.check_levels(num_priors)
    rows = 1 if config.cross_class else num_classes
    ranking = _ranking(config)
    everything = _all_candidates(config) + _detections(config, num_priors, rows)
    if num_priors > FEW:
        few_limit = min(FEW, config.candidates_per_level or FEW)  # so many in all are not too many in any level
        outputs = _results_of_branch(config)
        few = _few_candidates(config) + _detections(config, FEW, rows, is_few=True)
        everything = f"""
  few_limit = Constant<value = int32 {{{few_limit}}}>()
  are_candidates = Cast<to: int = {onnx.TensorProto.INT32}>(is_candidate)
  candidate_counts = ReduceSum<keepdims: int = 0>(are_candidates, axis1)
  most_candidates = ReduceMax<keepdims: int = 0>(candidate_counts)
  are_few = LessOrEqual(most_candidates, few_limit)
  boxes, scores, classes, coefs, num_detections = If (are_few) <
      then_branch: graph = few () => ({outputs}) {{ {_in_branch(few)} }},
      else_branch: graph = every () => ({outputs}) {{ {_in_branch(everything)} }}
  >
"""
    boxes = (decoded("x", "w", config.clip_boxes), decoded("y", "h", config.clip_boxes))
    body = "\n".join((CONSTANTS, *boxes, ranking, everything))
    attributes = ", ".join(fast_nms_attributes(config))
    signature = f"<{attributes}> (loc, conf, coef, priors) => (boxes, scores, classes, coefs, num_detections)"
    return parse_function(FAST_NMS, signature, body)


def _detections(config: PostprocessConfig, count: int, rows: int, is_few: bool = False) -> str:
    """From candidate_scores [B,C',count] to the outputs; is_few: `count` priors that `few` names, not all of them."""
    candidates = min(config.top_k, count)
    return "\n".join(
        (
            _best_of_each_row(candidates, is_few),
            worst_overlap(candidates),
            _best_of_all(config, rows * candidates, candidates),
            _gather_results(config),
        )
    )


def _results_of_branch(config: PostprocessConfig) -> str:
    """The outputs of either branch, with their types; a branch may not use the names around it."""
    count = config.output_count
    return (
        f"float[b,{count},4] branch_boxes, float[b,{count}] branch_scores, int32[b,{count}] branch_classes, "
        f"float[b,{count},k] branch_coefs, int32[b] branch_num_detections"
    )


def _in_branch(body: str) -> str:
    for name in ("boxes", "scores", "classes", "coefs", "num_detections"):
        body = body.replace(f"\n  {name} = ", f"\n  branch_{name} = ")
    return body


def _ranking(config: PostprocessConfig) -> str:
    """Which priors are candidates, and what they are ranked by: is_candidate, best_candidate_score [B,N].

    A comparison with NaN is false.
    """
    best_class = "best_class = ArgMax<axis: int = 2, keepdims: int = 0>(class_columns)" if config.cross_class else ""
    return f"""
  score_threshold = Constant<value = float {{{config.score_threshold!r}}}>()
  to_end = Constant<value = int64[1] {{{2**63 - 1}}}>()
  class_columns = Slice(conf, axis1, to_end, axis2)
  best_score = ReduceMax<keepdims: int = 0>(class_columns, axis2)
  score_sum = ReduceSum<keepdims: int = 0>(class_columns, axis2)
  {best_class}
  score_reach = Abs(score_sum)
  box_reach = Add(reach_x, reach_y)
  is_above = Greater(best_score, score_threshold)
  is_score_finite = LessOrEqual(score_reach, finite_limit)
  is_box_finite = LessOrEqual(box_reach, finite_limit)
  is_finite = And(is_score_finite, is_box_finite)
  is_candidate = And(is_above, is_finite)
  best_candidate_score = Where(is_candidate, best_score, dropped)
"""


def _all_candidates(config: PostprocessConfig) -> str:
    """Scores by class with dropped priors marked: candidate_scores [B,C',N]."""
    is_limited = config.candidates_per_level > 0
    best = best_of_levels(config) if is_limited else ""
    is_kept = "is_kept_candidate" if is_limited else "is_candidate"
    if config.cross_class and is_limited:
        return f"""{best}
  best_kept_score = Where({is_kept}, best_candidate_score, dropped)
  candidate_scores = Unsqueeze(best_kept_score, axis1)
"""
    if config.cross_class:
        return """
  candidate_scores = Unsqueeze(best_candidate_score, axis1)
"""
    return f"""{best}
  class_scores = Transpose<perm: ints = [0, 2, 1]>(class_columns)
  is_candidate_row = Unsqueeze({is_kept}, axis1)
  candidate_scores = Where(is_candidate_row, class_scores, dropped)
"""


def _few_candidates(config: PostprocessConfig) -> str:
    """The same of the FEW best priors, in the order of all priors, so that equal scores rank as they do among all:
    candidate_scores [B,C',FEW], and `few` [B,FEW], which priors they are."""
    best = f"""
  few_count = Constant<value = int64[1] {{{FEW}}}>()
  few_best_scores, few_by_score = TopK<axis: int = -1>(best_candidate_score, few_count)
  few_as_float = Cast<to: int = {onnx.TensorProto.FLOAT}>(few_by_score)
  few_from_last = Neg(few_as_float)
  few_in_order, few_places = TopK<axis: int = -1>(few_from_last, few_count)
  few = GatherElements<axis: int = 1>(few_by_score, few_places)
  few_scores = GatherElements<axis: int = 1>(best_candidate_score, few)
"""
    if config.cross_class:
        return f"""{best}
  candidate_scores = Unsqueeze(few_scores, axis1)
"""
    return f"""{best}
  few_indices = Unsqueeze(few, axis2)
  few_columns = GatherND<batch_dims: int = 1>(class_columns, few_indices)
  few_class_scores = Transpose<perm: ints = [0, 2, 1]>(few_columns)
  is_few_candidate = GreaterOrEqual(few_scores, zero)
  is_few_candidate_row = Unsqueeze(is_few_candidate, axis1)
  candidate_scores = Where(is_few_candidate_row, few_class_scores, dropped)
"""


def _best_of_each_row(candidates: int, is_few: bool) -> str:
    """The n best of each class, best first: row_scores, row_x1 ... [B,C',n], row_area, row_priors [B,C'*n]."""
    gathers = "".join(
        f"""
  flat_{name} = GatherElements<axis: int = 1>({name}, row_priors)
  row_{name} = Reshape(flat_{name}, rows_shape)"""
        for name in ("x1", "y1", "x2", "y2")
    )
    places = "row_places" if is_few else "row_priors"
    names = "row_priors = GatherElements<axis: int = 1>(few, row_places)" if is_few else ""
    return f"""
  candidate_count = Constant<value = int64[1] {{{candidates}}}>()
  flat_shape = Constant<value = int64[2] {{0, -1}}>()
  row_scores, row_indices = TopK<axis: int = -1>(candidate_scores, candidate_count)
  rows_shape = Shape(row_scores)
  {places} = Reshape(row_indices, flat_shape)
  {names}
{gathers}
  row_width = Sub(row_x2, row_x1)
  row_height = Sub(row_y2, row_y1)
  row_product = Mul(row_width, row_height)
  row_area = Max(row_product, min_area)
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
    survives = "  survives = LessOrEqual(overlap, iou_threshold)"
    if config.threshold_per_class:
        survives = """  is_apart = LessOrEqual(overlap, iou_threshold)
  is_above_itself = Greater(row_scores, score_threshold)
  survives = And(is_apart, is_above_itself)"""
    return f"""
  iou_threshold = Constant<value = float {{{config.iou_threshold!r}}}>()
  output_count = Constant<value = int64[1] {{{count}}}>()
{survives}
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
