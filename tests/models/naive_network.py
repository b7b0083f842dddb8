"""A YOLACT written out from the text of the official code's options, by functions alone, to compare networks with.

It reads official keys, knows no configuration class, and loops where the network batches.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F

Weights = Mapping[str, torch.Tensor]


@dataclass(frozen=True)
class Options:
    """Options of the official data/config.py, by their names there."""

    depths: Sequence[int] = (1, 1, 1, 1)
    is_basic: bool = False
    groups: int = 1
    interpolation_mode: str = "bilinear"
    num_downsample: int = 2
    mask_proto_net: Sequence[tuple[Any, int, dict[str, int]]] = field(
        default_factory=lambda: [(16, 3, {"padding": 1})] * 3 + [(None, -2, {}), (16, 3, {"padding": 1}), (8, 1, {})]
    )
    mask_proto_bias: bool = False
    share_prediction_module: bool = True
    extra_head_net: Sequence[tuple[Any, int, dict[str, int]]] = ((16, 3, {"padding": 1}),)
    extra_layers: tuple[int, int, int] = (0, 0, 0)


def naive_network(weights: Weights, image: torch.Tensor, options: Options, classes: int) -> dict[str, torch.Tensor]:
    """image [1,3,S,S] -> loc [N,4], conf [N,1+C] after softmax, coef [N,K] after tanh, proto [Hp,Wp,K]."""
    levels = _fpn(weights, _backbone(weights, image, options), options)
    proto = F.relu(_net(weights, "proto_net", options.mask_proto_net, levels[0], has_last_relu=False))
    if options.mask_proto_bias:
        proto = torch.cat([proto, torch.ones_like(proto[:, :1])], dim=1)
    coefs = proto.shape[1]
    rows: dict[str, list[torch.Tensor]] = {"loc": [], "conf": [], "coef": []}
    for index, level in enumerate(levels):
        head = f"prediction_layers.{0 if options.share_prediction_module else index}"
        x = _net(weights, f"{head}.upfeature", options.extra_head_net, level)
        for (name, branch, width), extra in zip(
            (("loc", "bbox", 4), ("conf", "conf", classes + 1), ("coef", "mask", coefs)),
            options.extra_layers,
            strict=True,
        ):
            y = x
            for layer in range(extra):
                y = F.relu(_conv(weights, f"{head}.{branch}_extra.{2 * layer}", y, padding=1))
            y = _conv(weights, f"{head}.{branch}_layer", y, padding=1)[0]  # [A*width,h,w]
            for row in range(y.shape[1]):
                for column in range(y.shape[2]):
                    rows[name] += y[:, row, column].split(width)
    loc, conf, coef = (torch.stack(rows[name]) for name in ("loc", "conf", "coef"))
    return {"loc": loc, "conf": conf.softmax(-1), "coef": coef.tanh(), "proto": proto[0].permute(1, 2, 0)}


def _conv(weights: Weights, key: str, x: torch.Tensor, **options: int) -> torch.Tensor:
    return F.conv2d(x, weights[f"{key}.weight"], weights.get(f"{key}.bias"), **options)


def _norm(weights: Weights, key: str, x: torch.Tensor) -> torch.Tensor:
    mean, var, gain, bias = (
        weights[f"{key}.{part}"][:, None, None] for part in ("running_mean", "running_var", "weight", "bias")
    )
    return (x - mean) / (var + 1e-5).sqrt() * gain + bias


def _backbone(weights: Weights, image: torch.Tensor, options: Options) -> list[torch.Tensor]:
    x = F.relu(_norm(weights, "backbone.bn1", _conv(weights, "backbone.conv1", image, stride=2, padding=3)))
    x = F.max_pool2d(x, 3, 2, 1)
    outputs = []
    for stage, depth in enumerate(options.depths):
        for block in range(depth):
            stride = 2 if stage > 0 and block == 0 else 1
            x = _block(weights, f"backbone.layers.{stage}.{block}", x, stride, options)
        outputs.append(x)
    return outputs[-3:]


def _block(weights: Weights, key: str, x: torch.Tensor, stride: int, options: Options) -> torch.Tensor:
    shortcut = x
    if f"{key}.downsample.0.weight" in weights:
        shortcut = _norm(weights, f"{key}.downsample.1", _conv(weights, f"{key}.downsample.0", x, stride=stride))
    if options.is_basic:
        x = F.relu(_norm(weights, f"{key}.bn1", _conv(weights, f"{key}.conv1", x, stride=stride, padding=1)))
        return F.relu(_norm(weights, f"{key}.bn2", _conv(weights, f"{key}.conv2", x, padding=1)) + shortcut)
    x = F.relu(_norm(weights, f"{key}.bn1", _conv(weights, f"{key}.conv1", x)))
    parts = zip(x.chunk(options.groups, 1), weights[f"{key}.conv2.weight"].chunk(options.groups), strict=True)
    x = torch.cat([F.conv2d(part, kernel, stride=stride, padding=1) for part, kernel in parts], dim=1)
    x = F.relu(_norm(weights, f"{key}.bn2", x))
    return F.relu(_norm(weights, f"{key}.bn3", _conv(weights, f"{key}.conv3", x)) + shortcut)


def _fpn(weights: Weights, stages: list[torch.Tensor], options: Options) -> list[torch.Tensor]:
    merged: list[torch.Tensor] = []
    for index, stage in enumerate(reversed(stages)):
        x = _conv(weights, f"fpn.lat_layers.{index}", stage)
        if merged:
            x = x + _enlarged(merged[-1], stage.shape[-1], options.interpolation_mode)
        merged.append(x)
    levels = [F.relu(_conv(weights, f"fpn.pred_layers.{i}", x, padding=1)) for i, x in enumerate(merged)][::-1]
    for index in range(options.num_downsample):
        levels.append(_conv(weights, f"fpn.downsample_layers.{index}", levels[-1], stride=2, padding=1))
    return levels


def _enlarged(x: torch.Tensor, size: int, mode: str) -> torch.Tensor:
    if mode == "nearest":
        sources = [position * x.shape[-1] // size for position in range(size)]
        return x[:, :, sources][:, :, :, sources]
    return F.interpolate(x, size=(size, size), mode=mode, align_corners=False)


def _net(
    weights: Weights,
    key: str,
    layers: Sequence[tuple[Any, int, dict[str, int]]],
    x: torch.Tensor,
    has_last_relu: bool = True,
) -> torch.Tensor:
    """utils/functions.py, `make_net`."""
    for index, (channels, kernel, options) in enumerate(layers):
        name = f"{key}.{2 * index}"
        if channels is None:
            x = F.interpolate(x, scale_factor=-kernel, mode="bilinear", align_corners=False)
        elif kernel < 0:
            x = F.conv_transpose2d(x, weights[f"{name}.weight"], weights[f"{name}.bias"], **options)  # type: ignore[arg-type]
        else:
            x = _conv(weights, name, x, **options)
        if has_last_relu or index < len(layers) - 1:
            x = F.relu(x)
    return x
