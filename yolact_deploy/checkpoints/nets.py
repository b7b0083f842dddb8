"""What a state dict's shapes say of prototype net and prediction heads."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..config.layers import MAX_LAYERS, Layer, describe_layers, output_channels, told_by_tensors
from ..config.model import ModelConfig
from ..config.nets import head_fields, plain_fields, proto_fields
from ..errors import CheckpointError

Shapes = Mapping[str, tuple[int, ...]]
_HEAD = "prediction_layers.0."
_MAX_GRIDS = 32  # more is another fault
_BRANCHES = ("bbox", "conf", "mask")

# What official options that are not supported leave in the keys. Named, so that nobody looks for a configuration that
# cannot exist.
_UNREAD_OPTIONS = (
    (r"prediction_layers\.\d+\.(?:block|conv|bn)\..*", "use_prediction_module = True"),
    (r"prediction_layers\.\d+\.gate_layer\..*", "mask_proto_coeff_gate = True"),
    (r"prediction_layers\.\d+\.score_layer\..*", "use_mask_scoring = True"),
    (r"prediction_layers\.\d+\.inst_layer\..*", "use_instance_coeff = True"),
    (r"proto_net\.\d+\.nets\..*", "mask_proto_net with layers of the kind 'cat'"),
)


@dataclass(frozen=True)
class Nets:
    """Prototype net and heads. Strides, paddings and factors of upsampling are assumed: no tensor tells them."""

    proto_net: tuple[Layer, ...]
    head_net: tuple[Layer, ...]  # before the three branches
    extra_layers: tuple[int, ...]  # of the branches: boxes, classes, mask coefficients
    has_mask_bias: bool
    level_anchors: tuple[int, ...]  # A of each level; one number where all levels share a head

    @property
    def num_prototypes(self) -> int:
        """Without the one of ones that a mask bias multiplies."""
        return output_channels(self.proto_net, 0)

    @property
    def is_shared(self) -> bool:
        """Whether all levels share a head."""
        return len(self.level_anchors) == 1

    @property
    def anchors(self) -> str:
        """Anchors per cell, in words."""
        counts = list(dict.fromkeys(self.level_anchors))
        return f"{counts[0] if len(counts) == 1 else list(self.level_anchors)} anchors per cell"

    def fields(self) -> dict[str, Any]:
        """Fields of a `ModelConfig`, without the anchors'."""
        fields = proto_fields(self.proto_net) | head_fields(self.head_net)
        fields |= {"mask_proto_bias": self.has_mask_bias, "extra_layers": self.extra_layers}
        return fields | {"share_prediction_module": self.is_shared}

    def hint(self) -> dict[str, Any]:
        """`fields` as a configuration file has them, without the defaults that nobody writes."""
        fields = self.fields()
        plain = plain_fields(fields, fields["mask_proto_net"], fields["extra_head_net"])
        usual = {"mask_proto_bias": False, "extra_layers": (0, 0, 0), "share_prediction_module": True}
        return {name: value for name, value in plain.items() if name not in usual or value != usual[name]}

    def differences(self, config: ModelConfig) -> dict[str, str]:
        """How these differ from `config`, in words, by the setting that says so; empty when they fit."""
        plain = {**self.fields(), "mask_proto_net": self.proto_net, "extra_head_net": self.head_net}
        there = {"mask_proto_net": config.proto_layers, "extra_head_net": config.head_layers}
        found = {}
        for name, layers in there.items():
            if told_by_tensors(plain[name]) != told_by_tensors(layers):
                found[name] = f"{name} {describe_layers(plain[name])}, not {describe_layers(layers)}"
        for name in ("mask_proto_bias", "extra_layers", "share_prediction_module"):
            if plain[name] != getattr(config, name):
                found[name] = f"{name} {_plain(plain[name])}, not {_plain(getattr(config, name))}"
        return found

    def anchor_difference(self, config: ModelConfig) -> str:
        """The same of the anchors per cell; empty where they fit."""
        levels = config.level_anchors[:1] if self.is_shared else config.level_anchors
        if self.level_anchors == levels:
            return ""
        counts = list(dict.fromkeys(levels))
        levels_text = f" on {len(self.level_anchors)} levels" if len(self.level_anchors) != len(levels) else ""
        return f"{self.anchors}{levels_text}, not {counts[0] if len(counts) == 1 else list(levels)}"


def _plain(value: Any) -> str:
    return str(list(value)) if isinstance(value, tuple) else str(value).lower()


def read_nets(shapes: Shapes) -> tuple[Nets, int]:
    """The nets and the number of classes. Raises CheckpointError for what is not supported or contradicts itself,
    KeyError and the like for what is not there."""
    _check_keys(shapes)
    proto_net = _read_layers(shapes, "proto_net.")
    heads = _count_heads(shapes)
    level_anchors = tuple(shapes[f"prediction_layers.{level}.bbox_layer.weight"][0] // 4 for level in range(heads))
    anchors, num_prototypes = level_anchors[0], output_channels(proto_net, 0)
    coefs = shapes[f"{_HEAD}mask_layer.weight"][0]
    if coefs not in (anchors * num_prototypes, anchors * (num_prototypes + 1)):
        if coefs == anchors * (num_prototypes // _count_levels(shapes)):
            raise _unread("mask_proto_split_prototypes_by_head = True")
        raise CheckpointError(
            f"the checkpoint contradicts itself: {num_prototypes} prototypes, but {coefs // anchors} mask coefficients "
            "per box, as if the last layer of proto_net were missing"
        )
    nets = Nets(
        proto_net=proto_net,
        head_net=_read_layers(shapes, f"{_HEAD}upfeature."),
        extra_layers=tuple(len(_read_layers(shapes, f"{_HEAD}{branch}_extra.")) for branch in _BRANCHES),
        has_mask_bias=coefs == anchors * (num_prototypes + 1),
        level_anchors=level_anchors,
    )
    _check_inputs(shapes, nets)
    return nets, shapes[f"{_HEAD}conf_layer.weight"][0] // anchors - 1


def _check_keys(shapes: Shapes) -> None:
    for pattern, words in _UNREAD_OPTIONS:
        if any(re.fullmatch(pattern, key) for key in shapes):
            raise _unread(words)
    masks, boxes = shapes.get(f"{_HEAD}mask_layer.weight"), shapes.get(f"{_HEAD}bbox_layer.weight")
    if masks and boxes and not any(key.startswith("proto_net.") for key in shapes):
        values = masks[0] // max(boxes[0] // 4, 1)
        if values >= 64 and math.isqrt(values) ** 2 == values:
            raise _unread("mask_type = mask_type.direct (its head gives whole masks, and it has no prototype net)")


def _check_inputs(shapes: Shapes, nets: Nets) -> None:
    """What the first layers read, beside the FPN's channels."""
    fpn_channels = shapes["fpn.lat_layers.0.weight"][0]
    proto_inputs = fpn_channels
    if "proto_net.0.weight" in shapes:
        proto_inputs = shapes["proto_net.0.weight"][0 if nets.proto_net[0].is_transposed else 1]
    if len(nets.level_anchors) > _count_levels(shapes):
        raise _unread(
            f"use_conv_downsample = False ({len(nets.level_anchors)} heads, {_count_levels(shapes)} FPN levels)"
        )
    first = f"{_HEAD}upfeature.0.weight" if nets.head_net else f"{_HEAD}bbox_layer.weight"
    if proto_inputs == 3 != fpn_channels:
        raise _unread("mask_proto_src = None (its prototype net reads the image)")
    if 0 < proto_inputs - fpn_channels <= _MAX_GRIDS:
        raise _unread(f"mask_proto_use_grid = True ({proto_inputs - fpn_channels} grids)")
    if shapes[first][1] == fpn_channels + nets.num_prototypes:
        raise _unread("mask_proto_prototypes_as_features = True")


def _count_levels(shapes: Shapes) -> int:
    """Levels of the FPN that have layers."""
    return 3 + sum(bool(re.fullmatch(r"fpn\.downsample_layers\.\d+\.weight", key)) for key in shapes)


def _count_heads(shapes: Shapes) -> int:
    """How many heads there are: 1, or one for each level."""
    found = {int(match[1]) for key in shapes if (match := re.fullmatch(r"prediction_layers\.(\d{1,3})\..*", key))}
    if found != set(range(len(found))):
        raise CheckpointError(
            f"heads prediction_layers {sorted(found)}: one is missing (share_prediction_module = False)"
        )
    return max(len(found), 1)


def _read_layers(shapes: Shapes, prefix: str) -> tuple[Layer, ...]:
    """The layers whose weights are `prefix` and an even number; where one is missing, something without weights is."""
    pattern = re.compile(rf"{re.escape(prefix)}(\d{{1,4}})\.(?:weight|bias)")
    indices = {int(match[1]) for key in shapes if (match := pattern.fullmatch(key))}
    foreign = [index for index in sorted(indices) if index % 2 or index >= 2 * MAX_LAYERS]
    if foreign:
        setting = {"proto_net.": "mask_proto_net", f"{_HEAD}upfeature.": "extra_head_net"}.get(prefix, "extra_layers")
        raise CheckpointError(
            f"a YOLACT that this version does not read: {prefix}{foreign[0]} is no layer of a net in the official "
            f"syntax ({setting})"
        )
    return tuple(
        _layer_of(shapes[f"{prefix}{index}.weight"], shapes[f"{prefix}{index}.bias"])
        if index in indices
        else Layer(None, -2)
        for index in range(0, max(indices, default=-2) + 1, 2)
    )


def _layer_of(weight: tuple[int, ...], bias: tuple[int, ...]) -> Layer:
    """[out,in,k,k], or [in,out,k,k] of a transposed convolution, which even kernels are where both are possible."""
    channels, kernel = bias[0], weight[2]
    is_transposed = weight[1] == channels and (weight[0] != channels or kernel % 2 == 0)
    if is_transposed:
        return Layer(channels, -kernel, stride=2, padding=(kernel - 1) // 2, output_padding=kernel % 2)
    return Layer(channels, kernel, padding=kernel // 2)


def _unread(option: str) -> CheckpointError:
    return CheckpointError(f"a YOLACT that this version does not read: trained with {option}")
