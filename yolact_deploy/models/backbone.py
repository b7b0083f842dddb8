"""Backbones: ResNet (He et al. 2015), where asked for with deformable convolutions, and DarkNet-53 (Redmon & Farhadi
2018), with the official code's key names."""

from __future__ import annotations

import torch
from torch import nn

from ..config.backbone import BackboneConfig
from .deform_conv import ModulatedDeformConv

_EXPANSION = 4  # output channels of a bottleneck over its inner ones


class Bottleneck(nn.Module):
    """1x1, 3x3 (with the stride), 1x1 convolutions around a shortcut."""

    def __init__(self, in_channels: int, channels: int, stride: int = 1, is_deformable: bool = False) -> None:
        super().__init__()
        out_channels = channels * _EXPANSION
        self.conv1 = nn.Conv2d(in_channels, channels, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2: nn.Module = (
            ModulatedDeformConv(channels, channels, stride)
            if is_deformable
            else nn.Conv2d(channels, channels, 3, stride=stride, padding=1, bias=False)
        )
        self.bn2 = nn.BatchNorm2d(channels)
        self.conv3 = nn.Conv2d(channels, out_channels, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(out_channels)
        self.relu = nn.ReLU(inplace=True)
        self.downsample: nn.Module | None = None
        if stride != 1 or in_channels != out_channels:
            self.downsample = nn.Sequential(
                nn.Conv2d(in_channels, out_channels, 1, stride=stride, bias=False), nn.BatchNorm2d(out_channels)
            )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        shortcut = x if self.downsample is None else self.downsample(x)
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.relu(self.bn2(self.conv2(x)))
        return self.relu(self.bn3(self.conv3(x)) + shortcut)


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
            channels = config.width << stage
            blocks = []
            for block in range(depth):
                stride = 2 if stage > 0 and block == 0 else 1
                is_deformable = (stage, block) in config.deformable_blocks
                blocks.append(Bottleneck(in_channels, channels, stride, is_deformable))
                in_channels = channels * _EXPANSION
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


def _last_three_stages(stages: nn.ModuleList, x: torch.Tensor) -> list[torch.Tensor]:
    outputs = []
    for stage in stages:
        x = stage(x)
        outputs.append(x)
    return outputs[-3:]


def stage_channels(config: BackboneConfig) -> list[int]:
    """Channels of the three outputs, finest level first."""
    expansion = _EXPANSION if config.kind == "resnet" else 1
    return [(config.width << stage) * expansion for stage in range(len(config.depths))][-3:]


def make_backbone(config: BackboneConfig) -> nn.Module:
    """The backbone that `config` describes, with random weights."""
    return ResNet(config) if config.kind == "resnet" else DarkNet(config)
