"""The overlap of candidates as text of an ONNX function; part of `fast_nms.py`."""

from __future__ import annotations

_IOU_BLOCKS = 4  # only pairs below the diagonal matter: four blocks of rows compute 5/8 of the square


def worst_overlap(candidates: int) -> str:
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
