"""Mask re-scoring (YOLACT++) as an ONNX graph: the mask-IoU net on the masks that were kept."""

from __future__ import annotations

import onnx
import onnx.compose
import torch
from torch import nn

from yolact_deploy.config.model import ModelConfig
from yolact_deploy.config.postprocess import PostprocessConfig
from yolact_deploy.export.graph.tracing import trace
from yolact_deploy.models.yolact import MaskIoUNet
from yolact_deploy.ops.postprocess import rescore_masks

_NAME = "postprocess/mask_scores"


class _Traced(nn.Module):
    """What only tracing needs: a batch of images as one of masks."""

    def __init__(self, mask_iou_net: MaskIoUNet) -> None:
        super().__init__()
        self.mask_iou_net = mask_iou_net

    def forward(self, masks: torch.Tensor, classes: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        flat = rescore_masks(
            self.mask_iou_net, masks.flatten(0, 1), classes.flatten().long(), scores.flatten()
        )  # [B*D]
        return flat.unflatten(0, scores.shape)


def export_mask_scores(
    mask_iou_net: MaskIoUNet,
    config: ModelConfig,
    postprocess: PostprocessConfig,
    batch: int | None,
    masks: str = "masks",
) -> onnx.GraphProto:
    """masks [B,D,Hp,Wp], classes [B,D] int32, scores [B,D] -> mask_scores [B,D]; batch None makes B dynamic.

    `masks` is the name of the tensor that holds them. Padding rows score 0, and so do their masks.
    """
    rows, size = (batch or 2, postprocess.output_count), config.proto_size
    graph = trace(
        _Traced(mask_iou_net),
        {
            masks: torch.zeros(*rows, size, size),
            "classes": torch.zeros(rows, dtype=torch.int32),
            "scores": torch.zeros(rows),
        },
        ["mask_scores"],
        dynamic_batch=batch is None,
        name=_NAME,
    )
    # Names of tensors would meet those of the network's graph.
    return onnx.compose.add_prefix_graph(
        graph, f"{_NAME}/", rename_nodes=False, rename_inputs=False, rename_outputs=False
    )
