"""What a state dict's shapes say of the network that it came from."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch

from ..config.backbone import MAX_STAGES, BackboneConfig
from ..config.model import MAX_CLASSES, ModelConfig
from ..errors import CheckpointError, ConfigError

_HEAD = "prediction_layers.0."
_OWN_PARTS = ("proto_net.", "prediction_layers.")  # that no other architecture has

# Keys that give away what else a weights file may be.
_OTHER_ARCHITECTURES = (
    ("roi_heads.mask_head.mask_fcn1.", "a detectron2 Mask R-CNN"),
    ("proposal_generator.", "a detectron2 model"),
    ("roi_heads.", "a torchvision R-CNN"),
    ("roi_head.mask_head.", "an mmdetection Mask R-CNN"),
    ("roi_head.bbox_head.0.", "an mmdetection Cascade R-CNN"),
    ("roi_head.", "an mmdetection R-CNN"),
    ("bbox_head.retina_", "an mmdetection RetinaNet"),
    ("bbox_head.conv_centerness.", "an mmdetection FCOS"),
    ("bbox_head.atss_", "an mmdetection ATSS"),
    ("bbox_head.multi_level_conv_", "an mmdetection YOLOX"),
    ("bbox_head.convs_pred.", "an mmdetection YOLOv3"),
    ("bbox_head.rtm_", "an mmdetection RTMDet"),
    ("mask_head.mask_convs.", "an mmdetection SOLO"),
    ("panoptic_head.", "an mmdetection MaskFormer or Mask2Former"),
    ("bbox_head.", "an mmdetection model"),
    ("model.0.conv.", "an Ultralytics YOLO"),
    ("fc.weight", "an image classifier (backbone weights alone?)"),
    ("transformer.", "a transformer detector"),
)


# What other official options leave in the keys. Named, so that nobody looks for a configuration that cannot exist.
_UNREAD_OPTIONS = (
    (r"prediction_layers\.[1-9]\d*\..*", "its heads are not shared (share_prediction_module = False)"),
    (r"prediction_layers\.0\.upfeature\.[1-9]\d*\..*", "its head has several layers (extra_head_net)"),
    (r"prediction_layers\.0\.\w+_extra\..*", "its head has layers of its own for each output (extra_layers)"),
    (r"proto_net\.(?!(?:0|2|4|8|10)\.)\d+\..*", "its prototype net is none of the default's (mask_proto_net)"),
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
    extra_from: str | None  # of config.model.FPN_EXTRA_FROM; None: both have as many channels
    mask_iou_channels: tuple[int, ...]  # empty: no mask-IoU net

    @classmethod
    def of(cls, tensors: Mapping[str, torch.Tensor], path: Path) -> Architecture:
        """Raises CheckpointError, saying what the file looks like, when it is no YOLACT or contradicts itself."""
        shapes = {key: tuple(tensor.shape) for key, tensor in tensors.items()}
        try:
            return cls._from_shapes(shapes)
        except CheckpointError as error:
            raise CheckpointError(f"{path.name}: {error}") from None
        except ConfigError as error:  # more than a configuration may have
            raise CheckpointError(f"{path.name} is no YOLACT that can be read: {error}") from None
        except (KeyError, IndexError, ValueError, ZeroDivisionError) as error:
            if isinstance(error, KeyError) and all(any(key.startswith(part) for key in shapes) for part in _OWN_PARTS):
                raise CheckpointError(
                    f"{path.name} lacks tensors of a YOLACT: missing keys: {error.args[0]}; save the whole state dict"
                ) from None
            raise CheckpointError(
                f"{path.name} is not a YOLACT checkpoint: it looks like {_looks_like(shapes)}"
            ) from None

    @classmethod
    def _from_shapes(cls, shapes: Mapping[str, tuple[int, ...]]) -> Architecture:
        for pattern, words in _UNREAD_OPTIONS:
            if any(re.fullmatch(pattern, key) for key in shapes):
                raise CheckpointError(f"a YOLACT that this version does not read: {words}")
        boxes, classes, coefs = (
            shapes[f"{_HEAD}{layer}.weight"][0] for layer in ("bbox_layer", "conf_layer", "mask_layer")
        )
        anchors = boxes // 4
        num_prototypes = shapes["proto_net.10.weight"][0]
        if coefs == anchors * (num_prototypes + 1):
            raise CheckpointError("a YOLACT that this version does not read: trained with mask_proto_bias = True")
        if coefs != anchors * num_prototypes:
            raise CheckpointError(
                f"the checkpoint contradicts itself: {num_prototypes} prototypes, but {coefs // anchors} mask "
                f"coefficients per box"
            )
        num_classes = classes // anchors - 1
        if not 1 <= num_classes <= MAX_CLASSES:
            raise CheckpointError(f"{num_classes} classes: a model has 1 to {MAX_CLASSES}")
        return cls(
            backbone=_backbone(shapes),
            fpn_channels=shapes["fpn.lat_layers.0.weight"][0],
            proto_channels=shapes["proto_net.0.weight"][0],
            head_channels=shapes[f"{_HEAD}upfeature.0.weight"][0],
            num_prototypes=num_prototypes,
            anchors_per_cell=anchors,
            num_classes=num_classes,
            num_downsample=_count(shapes, r"fpn\.downsample_layers\.(\d+)\.weight"),
            extra_from=_extra_from(shapes),
            mask_iou_channels=_mask_iou_channels(shapes),
        )

    @property
    def is_plus(self) -> bool:
        """Whether it has anything of YOLACT++."""
        return bool(self.backbone.deformable_blocks or self.mask_iou_channels)

    def differences(self, config: ModelConfig) -> list[str]:
        """How this differs from `config`, class count aside, in words; empty when it fits."""
        pairs = [
            (self.backbone.describe(), config.backbone.describe(), "a {} backbone"),
            (self.fpn_channels, config.fpn_channels, "{} FPN channels"),
            (self.proto_channels, config.proto_channels, "{} prototype-net channels"),
            (self.head_channels, config.head_channels, "{} head channels"),
            (self.num_prototypes, config.num_prototypes, "mask dimension {}"),
            (self.anchors_per_cell, config.anchors_per_cell, "{} anchors per cell"),
            (self.extra_from, config.fpn_extra_from, "extra FPN levels from {}"),
        ]
        pairs = pairs[:-1] if self.extra_from is None else pairs
        found = [f"{words.format(here)}, not {there}" for here, there, words in pairs if here != there]
        if not found and self.backbone.depths != config.backbone.depths:  # as deep in all, but other stages
            found.append(f"backbone depths {list(self.backbone.depths)}, not {list(config.backbone.depths)}")
        found = self._plus_differences(config) + found
        if self.num_downsample < config.num_downsample:  # more is a v1.0 checkpoint, whose extra levels are dropped
            found.append(f"{self.num_downsample} extra FPN levels, not {config.num_downsample}")
        return found

    def _plus_differences(self, config: ModelConfig) -> list[str]:
        """Those in what YOLACT++ adds."""
        if self.is_plus and not config.is_plus:
            return [f"{' and '.join(self._plus_parts())}: it is a YOLACT++, {config.name} is a YOLACT"]
        if config.is_plus and not self.is_plus:
            return [f"nothing of YOLACT++, which {config.name} is: it is a YOLACT"]
        found = []
        here, there = set(self.backbone.deformable_blocks), set(config.backbone.deformable_blocks)
        if self.backbone.depths == config.backbone.depths:  # else the blocks are not the same
            if here - there:
                found.append(f"deformable convolutions in {_blocks(here - there)}, where {config.name} has plain ones")
            if there - here:
                found.append(f"plain convolutions in {_blocks(there - here)}, where {config.name} has deformable ones")
        if self.mask_iou_channels != config.mask_iou_channels:
            nets = (_mask_iou_net(channels) for channels in (self.mask_iou_channels, config.mask_iou_channels))
            found.append(", not ".join(nets))
        return found

    def _plus_parts(self) -> list[str]:
        """What of YOLACT++ there is."""
        count = len(self.backbone.deformable_blocks)
        parts = [f"{count} deformable convolution{'s' if count > 1 else ''}"] if count else []
        return parts + ([_mask_iou_net(self.mask_iou_channels)] if self.mask_iou_channels else [])

    def describe(self) -> str:
        """In a line."""
        parts = [self.backbone.describe(), *self._plus_parts()]
        return (
            f"YOLACT{'++' if self.is_plus else ''} with {', '.join(parts)}, {self.fpn_channels} FPN channels, "
            f"{self.num_prototypes} prototypes, {self.anchors_per_cell} anchors per cell, {self.num_classes} classes"
        )

    def completed(self, config: ModelConfig) -> ModelConfig:
        """`config` with what the tensors tell."""
        return replace(
            config,
            backbone=self.backbone,
            fpn_channels=self.fpn_channels,
            fpn_extra_from=self.extra_from or config.fpn_extra_from,
            proto_channels=self.proto_channels,
            head_channels=self.head_channels,
            num_prototypes=self.num_prototypes,
            mask_iou_channels=self.mask_iou_channels,
        )

    def config_hint(self) -> str:
        """The fields that a configuration file needs, as JSON; anchors and image size are for the user to add."""
        added = ("dcn_layers", "dcn_interval")
        backbone = {key: value for key, value in asdict(self.backbone).items() if self.is_plus or key not in added}
        fields: dict[str, Any] = {
            "backbone": backbone,
            "fpn_channels": self.fpn_channels,
            "proto_channels": self.proto_channels,
            "head_channels": self.head_channels,
            "num_prototypes": self.num_prototypes,
        }
        if self.extra_from == "C5":
            fields["fpn_extra_from"] = self.extra_from
        if self.is_plus:
            fields["mask_iou_channels"] = self.mask_iou_channels
        return json.dumps(fields)


def _backbone(shapes: Mapping[str, tuple[int, ...]]) -> BackboneConfig:
    stages = _count(shapes, r"backbone\.layers\.(\d+)\..*")
    if stages > MAX_STAGES:
        raise CheckpointError(f"a backbone of {stages} stages, more than {MAX_STAGES}")
    blocks = [_count(shapes, rf"backbone\.layers\.{stage}\.(\d+)\..*") for stage in range(stages)]
    if "backbone.patch_embed.proj.weight" in shapes:
        blocks = [_count(shapes, rf"backbone\.layers\.{stage}\.blocks\.(\d+)\..*") for stage in range(stages)]
        return BackboneConfig("swin", tuple(blocks), shapes["backbone.patch_embed.proj.weight"][0])
    if "backbone.layers.0.0.weight" in shapes:  # MobileNetV2's stem comes before its groups
        return BackboneConfig("mobilenetv2", tuple(blocks[1:]), shapes["backbone.layers.0.0.weight"][0])
    if "backbone._preconv.0.weight" in shapes:
        width = shapes["backbone.layers.0.0.0.weight"][0]
        return BackboneConfig("darknet", tuple(count - 1 for count in blocks), width)
    if "backbone.layers.0.0.conv2.weight" in shapes and "backbone.layers.0.0.conv3.weight" not in shapes:
        name = f"ResNet-{2 * sum(blocks) + 2}"  # two convolutions per block, the stem and the classifier
        raise CheckpointError(
            f"a YOLACT with a {name} backbone (basic blocks): only bottleneck blocks are read, as in ResNet-50 and -101"
        )
    plain = BackboneConfig("resnet", tuple(blocks), shapes["backbone.conv1.weight"][0])
    pattern = r"backbone\.layers\.(\d+)\.(\d+)\.conv2\.conv_offset_mask\.weight"
    deformable = {(int(match[1]), int(match[2])) for key in shapes if (match := re.fullmatch(pattern, key))}
    return _with_deformable(plain, deformable) if deformable else plain


def _extra_from(shapes: Mapping[str, tuple[int, ...]]) -> str | None:
    channels, deepest = shapes["fpn.lat_layers.0.weight"][:2]
    first = shapes.get("fpn.downsample_layers.0.weight")
    if first is None or channels == deepest:
        return None
    return "P5" if first[1] == channels else "C5"


def _with_deformable(plain: BackboneConfig, blocks: set[tuple[int, int]]) -> BackboneConfig:
    """`plain` with exactly these stages' blocks deformable, by the smallest `dcn_interval` that can say so."""
    for interval in range(1, max(plain.depths) + 1):
        # From a stage's first deformable block on.
        firsts = [min((b for s, b in blocks if s == stage), default=depth) for stage, depth in enumerate(plain.depths)]
        layers = tuple(depth - first for depth, first in zip(plain.depths, firsts, strict=True))
        candidate = replace(plain, dcn_layers=layers, dcn_interval=interval)
        if set(candidate.deformable_blocks) == blocks:
            return candidate
    raise CheckpointError(
        f"the checkpoint has deformable convolutions in {_blocks(blocks)}: "
        "no dcn_layers and dcn_interval describe that, so that no configuration fits"
    )


def _blocks(blocks: set[tuple[int, int]]) -> str:
    """Names of backbone blocks, as in checkpoint keys."""
    return f"backbone.layers {', '.join(f'{stage}.{block}' for stage, block in sorted(blocks))}"


def _mask_iou_channels(shapes: Mapping[str, tuple[int, ...]]) -> tuple[int, ...]:
    pattern = r"maskiou_net\.maskiou_net\.(\d+)\.weight"
    widths = {int(match[1]): shape[0] for key, shape in shapes.items() if (match := re.fullmatch(pattern, key))}
    return tuple(widths[index] for index in sorted(widths))[:-1]  # the last layer gives a value for each class


def _mask_iou_net(channels: tuple[int, ...]) -> str:
    return f"a mask-IoU net of {'-'.join(map(str, channels))} channels" if channels else "no mask-IoU net"


def _count(shapes: Mapping[str, tuple[int, ...]], pattern: str) -> int:
    """How many different numbers the pattern's group takes over all keys."""
    return len({match[1] for key in shapes if (match := re.fullmatch(pattern, key))})


def _looks_like(shapes: Mapping[str, tuple[int, ...]]) -> str:
    for part, name in _OTHER_ARCHITECTURES:
        if any(key.startswith(part) for key in shapes):
            return name
    first = ", ".join(list(shapes)[:3])
    return f"something else ({len(shapes)} tensors: {first}, ...)"
