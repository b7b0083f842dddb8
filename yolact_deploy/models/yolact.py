"""The YOLACT network (Bolya et al. 2019, section 3): backbone, FPN, prototype net and prediction heads.

`state_dict()` has the keys and shapes of the official checkpoints. YOLACT++ (Bolya et al. 2020) differs by what it
adds: deformable convolutions in the backbone, and a mask-IoU net.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from ..config.layers import Layer
from ..config.model import ModelConfig
from ..ops.boxes import make_priors
from ..types import RawOutputs
from .backbone import make_backbone, stage_channels
from .layers import make_net, upsampled


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
                x = x + upsampled(merged, self.upsample, size=stage.shape[-2:])
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


class PredictionHead(nn.Module):
    """Boxes, classes and mask coefficients of one level, or of all levels where they share it."""

    def __init__(self, config: ModelConfig, anchors: int) -> None:
        """anchors: A of the level."""
        super().__init__()
        channels = config.branch_channels
        self.upfeature = make_net(config.head_layers, config.fpn_channels)
        self.bbox_extra, self.conf_extra, self.mask_extra = (
            make_net([Layer(channels, 3, padding=1)] * count, channels) for count in config.extra_layers
        )
        self.widths = (4, config.num_classes + 1, config.num_coefs)
        self.bbox_layer, self.conf_layer, self.mask_layer = (
            nn.Conv2d(channels, anchors * width, 3, padding=1) for width in self.widths
        )

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """[B,F,h,w] -> loc [B,h*w*A,4], class logits [B,h*w*A,1+C], coef logits [B,h*w*A,K]."""
        x = self.upfeature(x)
        branches = (
            (self.bbox_extra, self.bbox_layer),
            (self.conf_extra, self.conf_layer),
            (self.mask_extra, self.mask_layer),
        )
        loc, conf, coef = (
            layer(extra(x)).permute(0, 2, 3, 1).flatten(1).unflatten(1, (-1, width))
            for (extra, layer), width in zip(branches, self.widths, strict=True)
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
        self.proto_net = make_net(
            config.proto_layers, config.fpn_channels, has_last_relu=False, upsample=config.proto_upsample
        )
        anchors = config.level_anchors[:1] if config.share_prediction_module else config.level_anchors
        self.prediction_layers = nn.ModuleList(PredictionHead(config, count) for count in anchors)
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
        if self.config.mask_proto_bias:
            proto = F.pad(proto, (0, 1), value=1.0)  # a prototype of ones
        heads = list(self.prediction_layers)
        if len(heads) == 1:
            heads *= len(levels)
        outputs = (head(level) for head, level in zip(heads, levels, strict=True))
        loc, conf, coef = (torch.cat(parts, dim=1) for parts in zip(*outputs, strict=True))
        return RawOutputs(loc=loc, conf=F.softmax(conf, dim=-1), coef=torch.tanh(coef), proto=proto, priors=self.priors)
