"""Small mmdetection checkpoints, made from a small network of ours."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch

from tests.conftest import seeded_state_dict
from yolact_deploy.checkpoints.families.mmdetection import CONFIG
from yolact_deploy.config.backbone import BackboneConfig
from yolact_deploy.config.model import ModelConfig

SMALL = replace(
    CONFIG,
    backbone=BackboneConfig(depths=(1, 1, 1, 1), width=8),
    image_size=96,
    class_names=("nut", "bolt"),
    fpn_channels=16,
    proto_channels=16,
    head_channels=16,
    num_prototypes=8,
)
TEXT = """
input_size = 96
model = dict(
    type='YOLACT',
    data_preprocessor=dict(mean=[123.68, 116.78, 103.94], std=[58.4, 57.12, 57.38], bgr_to_rgb=True),
    backbone=dict(type='ResNet', depth=50, style='pytorch'),
    neck=dict(start_level=1, add_extra_convs='on_input', upsample_cfg=dict(mode='bilinear')),
    bbox_head=dict(
        anchor_generator=dict(octave_base_scale=3, scales_per_octave=1, base_sizes=[8, 16, 32, 64, 128],
                              ratios=[0.5, 1.0, 2.0], strides=[8.0, 16.0, 32.0, 48.0, 96.0]),
        loss_cls=dict(use_sigmoid=False), num_head_convs=1),
    test_cfg=dict(nms_pre=1000, score_thr=0.05, iou_thr=0.5, top_k=200, max_per_img=100))
"""
_KEYS = (
    *((f"backbone.layers.{stage}.", f"backbone.layer{stage + 1}.") for stage in range(4)),
    *((f"fpn.lat_layers.{level}.", f"neck.lateral_convs.{2 - level}.conv.") for level in range(3)),
    *((f"fpn.pred_layers.{level}.", f"neck.fpn_convs.{2 - level}.conv.") for level in range(3)),
    *((f"fpn.downsample_layers.{level}.", f"neck.fpn_convs.{level + 3}.conv.") for level in range(2)),
    ("prediction_layers.0.upfeature.0.", "bbox_head.head_convs.0.conv."),
    ("prediction_layers.0.conf_layer.", "bbox_head.conv_cls."),
    ("prediction_layers.0.bbox_layer.", "bbox_head.conv_reg."),
    ("prediction_layers.0.mask_layer.", "bbox_head.conv_coeff."),
    ("proto_net.", "mask_head.protonet."),
    ("semantic_seg_conv.", "mask_head.segm_branch.segm_conv."),
)
HEAD = ("bbox_head.conv_cls.", "bbox_head.conv_reg.", "bbox_head.conv_coeff.")


def mmdetection_tensors(config: ModelConfig = SMALL) -> dict[str, torch.Tensor]:
    """The network of `config` with seeded weights under mmdetection's keys: background last, ratio by ratio."""
    made = {}
    for key, tensor in seeded_state_dict(config).items():
        start, other = next((pair for pair in _KEYS if key.startswith(pair[0])), ("", ""))
        name = other + key[len(start) :]
        if name.startswith(HEAD):
            layer = tensor.unflatten(0, (len(config.scales[0]), len(config.aspect_ratios), -1)).transpose(0, 1)
            if name.startswith(HEAD[0]):
                layer = layer.roll(-1, dims=2)
            tensor = layer.flatten(0, 2)
        made[name] = tensor.contiguous()
    return made


def mmdetection_file(
    path: Path, text: object = TEXT, names: object = ("nut", "bolt"), version: int = 3, **more: object
) -> Path:
    """What mmdetection `version`.x saves; text: None for a file without a configuration."""
    meta = {"dataset_meta": {"classes": names}, "cfg": text} if version == 3 else {"CLASSES": names, "config": text}
    torch.save({"meta": meta, "state_dict": mmdetection_tensors(), **more}, path)
    return path
