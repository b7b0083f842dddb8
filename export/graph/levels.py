"""The best candidates of each FPN level as text of an ONNX function; part of `fast_nms.py`."""

from __future__ import annotations

from yolact_deploy.config.postprocess import PostprocessConfig


def best_of_levels(config: PostprocessConfig) -> str:
    """Which candidates are among the best of their level: is_kept_candidate [B,N].

    TopK names the best of a level and a scatter marks them, so that priors stay in their order, which decides between
    equal scores.
    """
    limit, counts = config.candidates_per_level, config.level_priors
    levels = [f"level{index}" for index in range(len(counts))]
    text = [
        f"""
  level_counts = Constant<value = int64[{len(counts)}] {{{", ".join(map(str, counts))}}}>()
  level_limit = Constant<value = int64[1] {{{limit}}}>()
  {", ".join(levels)} = Split<axis: int = 1>(best_candidate_score, level_counts)"""
    ]
    for level, count in zip(levels, counts, strict=True):
        text.append(f"  {level}_zeros = Mul({level}, zero)")
        if count <= limit:
            text.append(f"  {level}_marks = Add({level}_zeros, one)")
            continue
        text.append(f"""
  {level}_best, {level}_places = TopK<axis: int = -1>({level}, level_limit)
  {level}_best_zeros = Mul({level}_best, zero)
  {level}_ones = Add({level}_best_zeros, one)
  {level}_marks = ScatterElements<axis: int = 1>({level}_zeros, {level}_places, {level}_ones)""")
    text.append(f"""
  level_marks = Concat<axis: int = 1>({", ".join(f"{level}_marks" for level in levels)})
  is_best_of_level = Greater(level_marks, zero)
  is_kept_candidate = And(is_candidate, is_best_of_level)
""")
    return "\n".join(text)
