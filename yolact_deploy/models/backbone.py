"""Backbones: ResNet (He et al. 2015), where asked for with deformable convolutions, ResNeXt (Xie et al. 2016),
DarkNet-53 (Redmon & Farhadi 2018) and MobileNetV2 (Sandler et al. 2018), with the key names of the official code and of
YolactEdge; Swin is in `swin`."""

from __future__ import annotations

import torch
from torch import nn

from ..config.backbone import BackboneConfig
from .deform_conv import ModulatedDeformConv
from .swin import Swin

_EXPANSION = 4  # output channels of a bottleneck over the width of its stage

# Table 2 of the paper: expansion, channels at a stem of 32, stride of the first block.
_MOBILENET_GROUPS = ((1, 16, 1), (6, 24, 2), (6, 32, 2), (6, 64, 2), (6, 96, 1), (6, 160, 2))
_MOBILENET_OUTPUTS = (3, 4, 6)  # groups, counted from 1


class Bottleneck(nn.Module):
    """1x1, 3x3 (with the stride and the groups), 1x1 convolutions around a shortcut."""

    def __init__(
        self, in_channels: int, inner: int, out_channels: int, stride: int, groups: int, is_deformable: bool
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, inner, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(inner)
        self.conv2: nn.Module = (
            ModulatedDeformConv(inner, inner, stride)
            if is_deformable
            else nn.Conv2d(inner, inner, 3, stride=stride, padding=1, groups=groups, bias=False)
        )
        self.bn2 = nn.BatchNorm2d(inner)
        self.conv3 = nn.Conv2d(inner, out_channels, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(out_channels)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = _shortcut(in_channels, out_channels, stride)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        shortcut = x if self.downsample is None else self.downsample(x)
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.relu(self.bn2(self.conv2(x)))
        return self.relu(self.bn3(self.conv3(x)) + shortcut)


class BasicBlock(nn.Module):
    """Two 3x3 convolutions (the first with the stride) around a shortcut."""

    def __init__(self, in_channels: int, channels: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, channels, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = _shortcut(in_channels, channels, stride)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        shortcut = x if self.downsample is None else self.downsample(x)
        x = self.relu(self.bn1(self.conv1(x)))
        return self.relu(self.bn2(self.conv2(x)) + shortcut)


def _shortcut(in_channels: int, out_channels: int, stride: int) -> nn.Module | None:
    """None where a block's input can be added as it is."""
    if stride == 1 and in_channels == out_channels:
        return None
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, 1, stride=stride, bias=False), nn.BatchNorm2d(out_channels)
    )


class ResNet(nn.Module):
    """ResNet without its classifier; returns the last three stages."""

    def __init__(self, config: BackboneConfig) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, config.width, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(config.width)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        stages = []
        in_channels = config.width
        for stage, depth in enumerate(config.depths):
            out_channels = (config.width << stage) * _expansion(config)
            blocks: list[nn.Module] = []
            for block in range(depth):
                stride = 2 if stage > 0 and block == 0 else 1
                if config.block == "basic":
                    blocks.append(BasicBlock(in_channels, out_channels, stride))
                else:
                    is_deformable = (stage, block) in config.deformable_blocks
                    inner = config.inner_channels(stage)
                    blocks.append(Bottleneck(in_channels, inner, out_channels, stride, config.groups, is_deformable))
                in_channels = out_channels
            stages.append(nn.Sequential(*blocks))
        self.layers = nn.ModuleList(stages)

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        """[B,3,S,S] -> stage outputs at strides 8, 16, 32."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        return _last_three_stages(self.layers, x)


def _conv_bn_leaky(in_channels: int, channels: int, kernel: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(in_channels, channels, kernel, stride=stride, padding=kernel // 2, bias=False),
        nn.BatchNorm2d(channels),
        nn.LeakyReLU(0.1, inplace=True),
    )


class DarkNetBlock(nn.Module):
    """1x1 and 3x3 convolutions added to their input."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = _conv_bn_leaky(channels, channels // 2, 1)
        self.conv2 = _conv_bn_leaky(channels // 2, channels, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.conv2(self.conv1(x))


class DarkNet(nn.Module):
    """DarkNet without its classifier; returns the last three stages."""

    def __init__(self, config: BackboneConfig) -> None:
        super().__init__()
        in_channels = config.width // 2
        self._preconv = _conv_bn_leaky(3, in_channels, 3)  # the official name, and so a checkpoint key
        stages = []
        for stage, depth in enumerate(config.depths):
            channels = config.width << stage
            blocks: list[nn.Module] = [_conv_bn_leaky(in_channels, channels, 3, stride=2)]
            blocks += [DarkNetBlock(channels) for _ in range(depth)]
            stages.append(nn.Sequential(*blocks))
            in_channels = channels
        self.layers = nn.ModuleList(stages)

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        """[B,3,S,S] -> stage outputs at strides 8, 16, 32."""
        return _last_three_stages(self.layers, self._preconv(x))


def _conv_bn_relu6(in_channels: int, channels: int, kernel: int, stride: int = 1, groups: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(in_channels, channels, kernel, stride=stride, padding=kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(channels),
        nn.ReLU6(inplace=True),
    )


class InvertedResidual(nn.Module):
    """1x1 expansion, depthwise 3x3 (with the stride) and linear 1x1 convolutions, added to their input if it fits."""

    def __init__(self, in_channels: int, channels: int, stride: int, expansion: int) -> None:
        super().__init__()
        inner = in_channels * expansion
        layers: list[nn.Module] = [_conv_bn_relu6(in_channels, inner, 1)] if expansion > 1 else []
        layers += [
            _conv_bn_relu6(inner, inner, 3, stride, groups=inner),
            nn.Conv2d(inner, channels, 1, bias=False),
            nn.BatchNorm2d(channels),
        ]
        self.conv = nn.Sequential(*layers)
        self.has_shortcut = stride == 1 and in_channels == channels

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.conv(x) if self.has_shortcut else self.conv(x)


class MobileNetV2(nn.Module):
    """MobileNetV2 up to its sixth group; returns groups 3, 4 and 6, as YolactEdge does (5 has stride 16, too)."""

    def __init__(self, config: BackboneConfig) -> None:
        super().__init__()
        in_channels = config.width
        layers = [_conv_bn_relu6(3, in_channels, 3, stride=2)]  # index 0, so that groups count from 1
        for depth, (expansion, channels, stride) in zip(config.depths, _mobilenet_groups(config), strict=True):
            blocks = []
            for block in range(depth):
                blocks.append(InvertedResidual(in_channels, channels, stride if block == 0 else 1, expansion))
                in_channels = channels
            layers.append(nn.Sequential(*blocks))
        self.layers = nn.ModuleList(layers)

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        """[B,3,S,S] -> group outputs at strides 8, 16, 32."""
        outputs = []
        for layer in self.layers:
            x = layer(x)
            outputs.append(x)
        return [outputs[group] for group in _MOBILENET_OUTPUTS]


def _mobilenet_groups(config: BackboneConfig) -> list[tuple[int, int, int]]:
    """Expansion, channels and stride of the first block, for each group."""
    return [(expansion, channels * config.width // 32, stride) for expansion, channels, stride in _MOBILENET_GROUPS]


def _last_three_stages(stages: nn.ModuleList, x: torch.Tensor) -> list[torch.Tensor]:
    outputs = []
    for stage in stages:
        x = stage(x)
        outputs.append(x)
    return outputs[-3:]


def stage_channels(config: BackboneConfig) -> list[int]:
    """Channels of the three outputs, finest level first."""
    if config.kind == "mobilenetv2":
        groups = _mobilenet_groups(config)
        return [groups[group - 1][1] for group in _MOBILENET_OUTPUTS]
    return [(config.width << stage) * _expansion(config) for stage in range(len(config.depths))][-3:]


def _expansion(config: BackboneConfig) -> int:
    """Output channels of a stage over its width."""
    return _EXPANSION if config.kind == "resnet" and config.block == "bottleneck" else 1


def make_backbone(config: BackboneConfig, image_size: int) -> nn.Module:
    """The backbone that `config` describes, with random weights, for inputs of `image_size` px."""
    if config.kind == "swin":
        return Swin(config, image_size)
    kinds = {"resnet": ResNet, "darknet": DarkNet, "mobilenetv2": MobileNetV2}
    return kinds[config.kind](config)
