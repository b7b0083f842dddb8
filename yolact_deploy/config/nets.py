"""Which prototype, prediction and mask-IoU nets can be."""

from __future__ import annotations

import json
import reprlib
from collections.abc import Mapping
from typing import Any

from ..errors import ConfigError
from .anchors import without_needless_lists
from .layers import (
    MAX_CHANNELS,
    MAX_LAYERS,
    Layer,
    default_head_net,
    default_proto_net,
    output_channels,
    output_sizes,
    parse_layers,
)
from .official_options import check_official_options

MAX_PROTO_SIZE = 4096  # px
MAX_MASK_IOU_LAYERS = 8
PROTO_NET, HEAD_NET = "mask_proto_net", "extra_head_net"
BRANCHES = 3  # of a head: boxes, classes, mask coefficients


def check_proto_net(layers: tuple[Layer, ...], num_prototypes: int, size: int) -> None:
    """Raises ConfigError for a prototype net that does not give `num_prototypes` of a usable size; `size`: of what it
    reads, px."""
    _check_layers(PROTO_NET, layers)
    _check_alike(output_channels(layers, 0), num_prototypes)
    for layer, side in zip(layers, output_sizes(layers, size), strict=True):
        if not 1 <= side <= MAX_PROTO_SIZE:
            raise ConfigError(
                f"{PROTO_NET}: layer {json.dumps(layer.to_plain())} gives {side} px for an input of {size} px: "
                f"between 1 and {MAX_PROTO_SIZE}"
            )


def check_head(layers: tuple[Layer, ...], extra_layers: tuple[int, ...]) -> None:
    """Raises ConfigError for a head that is none, or that changes the size of its level, which has the anchors."""
    _check_layers(HEAD_NET, layers)
    for layer in layers:
        if layer.kernel < 0 or layer.stride != 1 or 2 * layer.padding != layer.dilation * (layer.kernel - 1):
            raise ConfigError(
                f"{HEAD_NET}: layer {json.dumps(layer.to_plain())} changes the size of its input: use convolutions of "
                "stride 1 that are padded by half of their kernel"
            )
    if len(extra_layers) != BRANCHES or not all(0 <= count <= MAX_LAYERS for count in extra_layers):
        raise ConfigError(
            f"extra_layers {list(extra_layers)}: {BRANCHES} numbers, for boxes, classes and mask coefficients, each "
            f"up to {MAX_LAYERS}"
        )


def check_mask_iou_net(channels: tuple[int, ...], proto_size: int) -> None:
    """Raises ConfigError for a mask-IoU net that is too large, or leaves nothing of masks of `proto_size` px."""
    if len(channels) > MAX_MASK_IOU_LAYERS:
        raise ConfigError(f"mask_iou_channels: at most {MAX_MASK_IOU_LAYERS} layers")
    if not all(1 <= count <= MAX_CHANNELS for count in channels):
        raise ConfigError(f"mask_iou_channels {list(channels)}: between 1 and {MAX_CHANNELS} each")
    size = proto_size
    for _ in channels:
        size = (size - 1) // 2  # 3x3, stride 2, no padding
    if size < 1:
        raise ConfigError(
            f"mask_iou_channels: {len(channels)} layers leave nothing of masks of {proto_size} px: give fewer"
        )


def prepared_fields(values: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of a configuration as people write them, with layers as `Layer` and the defaults in their plainest form.

    Raises ConfigError for options of the official code that are no settings here, and for layers that cannot be.
    """
    check_official_options(values)
    values = dict(values)
    if PROTO_NET in values:
        fields = proto_fields(parse_layers(PROTO_NET, values.pop(PROTO_NET)))
        _check_alike(fields["num_prototypes"], values.get("num_prototypes", fields["num_prototypes"]))
        values |= fields
    if HEAD_NET in values:
        values |= head_fields(parse_layers(HEAD_NET, values.pop(HEAD_NET)))
    if "aspect_ratios" in values:
        values["aspect_ratios"] = without_needless_lists(values["aspect_ratios"])
    return values


def proto_fields(layers: tuple[Layer, ...]) -> dict[str, Any]:
    """The fields that say of which layers a prototype net is."""
    if not layers or output_channels(layers, 0) == 0:
        raise ConfigError(f"{PROTO_NET}: one convolution at least")
    num_prototypes = output_channels(layers, 0)
    first = layers[0].channels
    if first is not None and layers == default_proto_net(first, num_prototypes):
        return {PROTO_NET: (), "proto_channels": first, "num_prototypes": num_prototypes}
    return {PROTO_NET: layers, "num_prototypes": num_prototypes}


def head_fields(layers: tuple[Layer, ...]) -> dict[str, Any]:
    """The fields that say of which layers a head begins."""
    if len(layers) == 1 and layers[0].channels is not None and layers == default_head_net(layers[0].channels):
        return {HEAD_NET: None, "head_channels": layers[0].channels}
    return {HEAD_NET: layers}


def plain_fields(
    values: Mapping[str, Any], proto_net: tuple[Layer, ...], head_net: tuple[Layer, ...] | None
) -> dict[str, Any]:
    """`values` with the nets in the official syntax, and without those that are the default."""
    plain = {name: value for name, value in values.items() if name not in (PROTO_NET, HEAD_NET)}
    if proto_net:
        plain[PROTO_NET] = [layer.to_plain() for layer in proto_net]
    if head_net is not None:
        plain[HEAD_NET] = [layer.to_plain() for layer in head_net]
    return plain


def _check_alike(channels: int, num_prototypes: Any) -> None:
    if channels != num_prototypes:
        raise ConfigError(
            f"{PROTO_NET} ends in {channels} channels, num_prototypes is {reprlib.repr(num_prototypes)}: use one number"
        )


def _check_layers(name: str, layers: tuple[Layer, ...]) -> None:
    if len(layers) > MAX_LAYERS:
        raise ConfigError(f"{name}: at most {MAX_LAYERS} layers")
    for layer in layers:
        layer.check(name)
