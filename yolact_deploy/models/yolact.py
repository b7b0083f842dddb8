"""The YOLACT network (Bolya et al. 2019, section 3): backbone, FPN, prototype net and shared prediction head.

`state_dict()` has the keys and shapes of the official checkpoints. YOLACT++ (Bolya et al. 2020) differs by what it
adds: deformable convolutions in the backbone, and a mask-IoU net.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from ..config.model import ModelConfig
from ..ops.boxes import make_priors
from ..types import RawOutputs
from .backbone import make_backbone, stage_channels


class FPN(nn.Module):
    """Feature pyramid (Lin et al. 2017): three backbone levels in, plus stride-2 levels on top."""

    def __init__(self, in_channels: list[int], config: ModelConfig) -> None:
        super().__init__()
        channels = config.fpn_channels
        self.has_relu = config.fpn_relu
        self.has_extra_relu = config.fpn_extra_relu
        self.upsample = config.fpn_upsample
        self.is_extra_from_backbone = config.fpn_extra_from == "C5"
        # Official order: the deepest level comes first.
        self.lat_layers = nn.ModuleList(nn.Conv2d(c, channels, 1) for c in reversed(in_channels))
        self.pred_layers = nn.ModuleList(nn.Conv2d(channels, channels, 3, padding=1) for _ in in_channels)
        self.downsample_layers = nn.ModuleList(
            nn.Conv2d(
                in_channels[-1] if level == 0 and self.is_extra_from_backbone else channels,
                channels,
                3,
                stride=2,
                padding=1,
            )
            for level in range(config.num_downsample)
        )

    def forward(self, stages: list[torch.Tensor]) -> list[torch.Tensor]:
        """Backbone stages, finest first -> pyramid levels P3, P4, ..., finest first."""
        levels: list[torch.Tensor] = []
        merged: torch.Tensor | None = None
        for stage, lateral, predict in zip(reversed(stages), self.lat_layers, self.pred_layers, strict=True):
            x = lateral(stage)
            if merged is not None:
                x = x + _upsampled(merged, self.upsample, size=stage.shape[-2:])
            merged = x
            level = predict(x)
            levels.insert(0, F.relu(level) if self.has_relu else level)
        x = stages[-1] if self.is_extra_from_backbone else levels[-1]
        for downsample in self.downsample_layers:
            x = downsample(x)
            if self.has_extra_relu:
                x = F.relu(x)
            levels.append(x)
        return levels


def _upsampled(x: torch.Tensor, kind: str, **size: Any) -> torch.Tensor:
    """`F.interpolate` in one of config.model.PROTO_UPSAMPLE."""
    if kind == "nearest":
        return F.interpolate(x, mode="nearest", **size)
    return F.interpolate(x, mode="bilinear", align_corners=kind == "align_corners", **size)


class Upsample2x(nn.Module):
    """Upsampling to twice the size."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return _upsampled(x, self.kind, scale_factor=2)


def _proto_net(config: ModelConfig) -> nn.Sequential:
    in_channels, channels, num_prototypes = config.fpn_channels, config.proto_channels, config.num_prototypes
    return nn.Sequential(
        nn.Conv2d(in_channels, channels, 3, padding=1),
        nn.ReLU(inplace=True),
        nn.Conv2d(channels, channels, 3, padding=1),
        nn.ReLU(inplace=True),
        nn.Conv2d(channels, channels, 3, padding=1),
        nn.ReLU(inplace=True),
        Upsample2x(config.proto_upsample),
        nn.ReLU(inplace=True),
        nn.Conv2d(channels, channels, 3, padding=1),
        nn.ReLU(inplace=True),
        nn.Conv2d(channels, num_prototypes, 1),
    )


class PredictionHead(nn.Module):
    """Boxes, classes and mask coefficients of one level; all levels share it."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        anchors, channels = config.anchors_per_cell, config.head_channels
        self.upfeature = nn.Sequential(nn.Conv2d(config.fpn_channels, channels, 3, padding=1), nn.ReLU(inplace=True))
        self.bbox_layer = nn.Conv2d(channels, anchors * 4, 3, padding=1)
        self.conf_layer = nn.Conv2d(channels, anchors * (config.num_classes + 1), 3, padding=1)
        self.mask_layer = nn.Conv2d(channels, anchors * config.num_prototypes, 3, padding=1)
        self.widths = (4, config.num_classes + 1, config.num_prototypes)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """[B,F,h,w] -> loc [B,h*w*A,4], class logits [B,h*w*A,1+C], coef logits [B,h*w*A,K]."""
        x = self.upfeature(x)
        layers = (self.bbox_layer, self.conf_layer, self.mask_layer)
        loc, conf, coef = (
            layer(x).permute(0, 2, 3, 1).flatten(1).unflatten(1, (-1, width))
            for layer, width in zip(layers, self.widths, strict=True)
        )
        return loc, conf, coef


class MaskIoUNet(nn.Module):
    """Predicts how well a mask fits its object, for each class it may be of (YOLACT++: fast mask re-scoring)."""

    def __init__(self, channels: tuple[int, ...], num_classes: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        in_channels = 1
        for width in channels:
            layers += [nn.Conv2d(in_channels, width, 3, stride=2), nn.ReLU(inplace=True)]
            in_channels = width
        layers += [nn.Conv2d(in_channels, num_classes, 1), nn.ReLU(inplace=True)]
        self.maskiou_net = nn.Sequential(*layers)

    def forward(self, masks: torch.Tensor) -> torch.Tensor:
        """Masks [D,Hp,Wp] after sigmoid and crop -> IoU [D,C], 0 and more; nothing holds it below 1."""
        return self.maskiou_net(masks.unsqueeze(1)).amax(dim=(2, 3))


class Yolact(nn.Module):
    """The network of `config`: normalised image -> `RawOutputs`."""

    priors: torch.Tensor

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.backbone = make_backbone(config.backbone, config.image_size)
        self.fpn = FPN(stage_channels(config.backbone), config)
        self.proto_net = _proto_net(config)
        self.prediction_layers = nn.ModuleList([PredictionHead(config)])
        # Not part of `forward`: it sees the masks of what was detected, see postprocess.rescore_masks.
        self.maskiou_net: MaskIoUNet | None = None
        if config.rescores_masks:
            self.maskiou_net = MaskIoUNet(config.mask_iou_channels, config.num_classes)
        # Trained with, never used at inference; here so that official checkpoints load strictly.
        self.semantic_seg_conv = nn.Conv2d(config.fpn_channels, config.num_classes, 1)
        self.register_buffer("priors", torch.from_numpy(make_priors(config)), persistent=False)

    def forward(self, image: torch.Tensor) -> RawOutputs:
        """image [B,3,S,S] float32, RGB, normalised -> RawOutputs."""
        return self.predict(self.fpn(self.backbone(image)))

    def predict(self, levels: list[torch.Tensor]) -> RawOutputs:
        """Pyramid levels, finest first -> RawOutputs."""
        proto = F.relu(self.proto_net(levels[0])).permute(0, 2, 3, 1)
        head = self.prediction_layers[0]
        loc, conf, coef = (torch.cat(parts, dim=1) for parts in zip(*(head(level) for level in levels), strict=True))
        return RawOutputs(loc=loc, conf=F.softmax(conf, dim=-1), coef=torch.tanh(coef), proto=proto, priors=self.priors)
