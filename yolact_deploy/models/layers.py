"""Small nets from their layers, as the official `make_net` builds them (utils/functions.py)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import nn

from ..config.layers import Layer


class Upsample(nn.Module):
    """Bilinear upsampling by a whole factor, half-pixel centres."""

    def __init__(self, factor: int) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.interpolate(x, scale_factor=self.factor, mode="bilinear", align_corners=False)


def make_net(layers: Sequence[Layer], in_channels: int, has_last_relu: bool = True) -> nn.Sequential:
    """`layers` with a ReLU after each, so that layer i is number 2 i in the keys of a checkpoint."""
    modules: list[nn.Module] = []
    for layer in layers:
        modules += [_make_layer(layer, in_channels), nn.ReLU(inplace=True)]
        in_channels = in_channels if layer.channels is None else layer.channels
    return nn.Sequential(*(modules if has_last_relu else modules[:-1]))


def _make_layer(layer: Layer, in_channels: int) -> nn.Module:
    if layer.channels is None:
        return Upsample(-layer.kernel)
    kernel, stride, padding = abs(layer.kernel), layer.stride, layer.padding
    if layer.is_transposed:
        return nn.ConvTranspose2d(
            in_channels, layer.channels, kernel, stride, padding, layer.output_padding, dilation=layer.dilation
        )
    return nn.Conv2d(in_channels, layer.channels, kernel, stride, padding, layer.dilation)
