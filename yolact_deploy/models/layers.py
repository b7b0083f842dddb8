"""Small nets from their layers, as the official `make_net` builds them (utils/functions.py)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from ..config.layers import Layer


def upsampled(x: torch.Tensor, kind: str, **size: Any) -> torch.Tensor:
    """`F.interpolate` in one of config.model.PROTO_UPSAMPLE."""
    if kind == "nearest":
        return F.interpolate(x, mode="nearest", **size)
    return F.interpolate(x, mode="bilinear", align_corners=kind == "align_corners", **size)


class Upsample(nn.Module):
    """Upsampling by a whole factor, in one of config.model.PROTO_UPSAMPLE."""

    def __init__(self, factor: int, kind: str) -> None:
        super().__init__()
        self.factor, self.kind = factor, kind

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return upsampled(x, self.kind, scale_factor=self.factor)


def make_net(
    layers: Sequence[Layer], in_channels: int, has_last_relu: bool = True, upsample: str = "bilinear"
) -> nn.Sequential:
    """`layers` with a ReLU after each, so that layer i is number 2 i in the keys of a checkpoint. upsample: the kind of
    the layers that only upsample."""
    modules: list[nn.Module] = []
    for layer in layers:
        modules += [_make_layer(layer, in_channels, upsample), nn.ReLU(inplace=True)]
        in_channels = in_channels if layer.channels is None else layer.channels
    return nn.Sequential(*(modules if has_last_relu else modules[:-1]))


def _make_layer(layer: Layer, in_channels: int, upsample: str) -> nn.Module:
    if layer.channels is None:
        return Upsample(-layer.kernel, upsample)
    kernel, stride, padding = abs(layer.kernel), layer.stride, layer.padding
    if layer.is_transposed:
        return nn.ConvTranspose2d(
            in_channels, layer.channels, kernel, stride, padding, layer.output_padding, dilation=layer.dilation
        )
    return nn.Conv2d(in_channels, layer.channels, kernel, stride, padding, layer.dilation)
