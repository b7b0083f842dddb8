"""What a state dict's shapes say of the network that it came from."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch

from .config import BackboneConfig, ModelConfig
from .errors import CheckpointError

_HEAD = "prediction_layers.0."

# Keys that give away what else a weights file may be.
_OTHER_ARCHITECTURES = (
    ("roi_heads.", "a torchvision R-CNN"),
    ("bbox_head.", "an mmdetection model"),
    ("proposal_generator.", "a detectron2 model"),
    ("model.0.conv.", "an Ultralytics YOLO"),
    ("fc.weight", "an image classifier (backbone weights alone?)"),
    ("transformer.", "a transformer detector"),
)


@dataclass(frozen=True)
class Architecture:
    """Facts that shapes alone give. The image size is not among them: no tensor of a YOLACT depends on it."""

    backbone: BackboneConfig
    fpn_channels: int
    proto_channels: int
    head_channels: int
    num_prototypes: int  # K
    anchors_per_cell: int  # A
    num_classes: int  # C
    num_downsample: int

    @classmethod
    def of(cls, tensors: Mapping[str, torch.Tensor], path: Path) -> Architecture:
        """Raises CheckpointError, saying what the file looks like, when it is no YOLACT or contradicts itself."""
        shapes = {key: tuple(tensor.shape) for key, tensor in tensors.items()}
        _refuse_plus(shapes, path)
        try:
            return cls._from_shapes(shapes)
        except (KeyError, IndexError, ValueError, ZeroDivisionError):
            raise CheckpointError(
                f"{path.name} is not a YOLACT checkpoint: it looks like {_looks_like(shapes)}"
            ) from None

    @classmethod
    def _from_shapes(cls, shapes: Mapping[str, tuple[int, ...]]) -> Architecture:
        boxes, classes, coefs = (
            shapes[f"{_HEAD}{layer}.weight"][0] for layer in ("bbox_layer", "conf_layer", "mask_layer")
        )
        anchors = boxes // 4
        num_prototypes = shapes["proto_net.10.weight"][0]
        if coefs != anchors * num_prototypes:
            raise CheckpointError(
                f"the checkpoint contradicts itself: {num_prototypes} prototypes, but {coefs // anchors} mask "
                f"coefficients a box"
            )
        return cls(
            backbone=_backbone(shapes),
            fpn_channels=shapes["fpn.lat_layers.0.weight"][0],
            proto_channels=shapes["proto_net.0.weight"][0],
            head_channels=shapes[f"{_HEAD}upfeature.0.weight"][0],
            num_prototypes=num_prototypes,
            anchors_per_cell=anchors,
            num_classes=classes // anchors - 1,
            num_downsample=_count(shapes, r"fpn\.downsample_layers\.(\d+)\.weight"),
        )

    def differences(self, config: ModelConfig) -> list[str]:
        """How this differs from `config`, class count aside, in words; empty when it fits."""
        pairs = [
            (self.backbone.describe(), config.backbone.describe(), "a {} backbone"),
            (self.fpn_channels, config.fpn_channels, "{} FPN channels"),
            (self.proto_channels, config.proto_channels, "{} prototype-net channels"),
            (self.head_channels, config.head_channels, "{} head channels"),
            (self.num_prototypes, config.num_prototypes, "mask dimension {}"),
            (self.anchors_per_cell, config.anchors_per_cell, "{} anchors a cell"),
        ]
        found = [f"{words.format(here)}, not {there}" for here, there, words in pairs if here != there]
        if not found and self.backbone != config.backbone:  # as deep in all, but other stages
            found.append(f"backbone depths {list(self.backbone.depths)}, not {list(config.backbone.depths)}")
        if self.num_downsample < config.num_downsample:  # more is a v1.0 checkpoint, whose extra levels are dropped
            found.append(f"{self.num_downsample} extra FPN levels, not {config.num_downsample}")
        return found

    def describe(self) -> str:
        """In a line."""
        return (
            f"YOLACT with {self.backbone.describe()}, {self.fpn_channels} FPN channels, "
            f"{self.num_prototypes} prototypes, {self.anchors_per_cell} anchors a cell, {self.num_classes} classes"
        )

    def config_hint(self) -> str:
        """The fields that a configuration file needs, as JSON; anchors and image size are for the user to add."""
        backbone = {"kind": self.backbone.kind, "depths": self.backbone.depths, "width": self.backbone.width}
        fields = {
            "backbone": backbone,
            "fpn_channels": self.fpn_channels,
            "proto_channels": self.proto_channels,
            "head_channels": self.head_channels,
            "num_prototypes": self.num_prototypes,
        }
        return json.dumps(fields)


def _backbone(shapes: Mapping[str, tuple[int, ...]]) -> BackboneConfig:
    stages = _count(shapes, r"backbone\.layers\.(\d+)\..*")
    blocks = [_count(shapes, rf"backbone\.layers\.{stage}\.(\d+)\..*") for stage in range(stages)]
    if "backbone._preconv.0.weight" in shapes:
        width = shapes["backbone.layers.0.0.0.weight"][0]
        return BackboneConfig("darknet", tuple(count - 1 for count in blocks), width)
    return BackboneConfig("resnet", tuple(blocks), shapes["backbone.conv1.weight"][0])


def _count(shapes: Mapping[str, tuple[int, ...]], pattern: str) -> int:
    """How many different numbers the pattern's group takes over all keys."""
    return len({match[1] for key in shapes if (match := re.fullmatch(pattern, key))})


def _refuse_plus(shapes: Mapping[str, tuple[int, ...]], path: Path) -> None:
    deformable = any("conv_offset_mask" in key for key in shapes)
    if deformable or any(key.startswith("maskiou_net.") for key in shapes):
        raise CheckpointError(
            f"{path.name} is a YOLACT++ checkpoint ({'deformable convolutions' if deformable else 'a mask-IoU net'}): "
            "this version handles YOLACT only"
        )


def _looks_like(shapes: Mapping[str, tuple[int, ...]]) -> str:
    for part, name in _OTHER_ARCHITECTURES:
        if any(key.startswith(part) for key in shapes):
            return name
    first = ", ".join(list(shapes)[:3])
    return f"something else ({len(shapes)} tensors: {first}, ...)"
