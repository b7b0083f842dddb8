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
from .nets import Nets, read_nets

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


@dataclass(frozen=True)
class Architecture:
    """Facts that shapes alone give. The image size is not among them: no tensor of a YOLACT depends on it."""

    backbone: BackboneConfig
    fpn_channels: int
    nets: Nets
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
        except (ConfigError, KeyError, IndexError, ValueError, ZeroDivisionError) as error:
            is_ours = all(any(key.startswith(part) for key in shapes) for part in _OWN_PARTS)
            if isinstance(error, ConfigError) and is_ours:  # more than a configuration may have
                raise CheckpointError(f"{path.name} is no YOLACT that can be read: {error}") from None
            if isinstance(error, KeyError) and is_ours:
                raise CheckpointError(
                    f"{path.name} lacks tensors of a YOLACT: missing keys: {error.args[0]}; save the whole state dict"
                ) from None
            raise CheckpointError(
                f"{path.name} is not a YOLACT checkpoint: it looks like {_looks_like(shapes)}"
            ) from None

    @classmethod
    def _from_shapes(cls, shapes: Mapping[str, tuple[int, ...]]) -> Architecture:
        backbone = _backbone(shapes)
        try:
            nets, num_classes = read_nets(shapes)
        except CheckpointError as error:
            raise CheckpointError(f"{error}; the backbone in its tensors is a {backbone.describe()}") from None
        if not 1 <= num_classes <= MAX_CLASSES:
            raise CheckpointError(f"{num_classes} classes: a model has 1 to {MAX_CLASSES}")
        return cls(
            backbone=backbone,
            fpn_channels=shapes["fpn.lat_layers.0.weight"][0],
            nets=nets,
            num_classes=num_classes,
            num_downsample=_count(shapes, r"fpn\.downsample_layers\.(\d+)\.weight"),
            extra_from=_extra_from(shapes),
            mask_iou_channels=_mask_iou_channels(shapes),
        )

    @property
    def levels(self) -> int:
        """Of the FPN, as its heads tell; where they are shared, as its layers do."""
        return 3 + self.num_downsample if self.nets.is_shared else len(self.nets.level_anchors)

    @property
    def is_plus(self) -> bool:
        """Whether it has anything of YOLACT++."""
        return bool(self.backbone.deformable_blocks or self.mask_iou_channels)

    def differences(self, config: ModelConfig) -> list[str]:
        """How this differs from `config`, class count aside, in words; empty when it fits."""
        pairs = [
            (self.backbone.describe(), config.backbone.describe(), "a {} backbone"),
            (self.fpn_channels, config.fpn_channels, "{} FPN channels"),
            (self.extra_from, config.fpn_extra_from, "extra FPN levels from {}"),
        ]
        pairs = pairs[:-1] if self.extra_from is None else pairs
        found = [f"{words.format(here)}, not {there}" for here, there, words in pairs if here != there]
        if not found and self.backbone.depths != config.backbone.depths:  # as deep in all, but other stages
            found.append(f"backbone depths {list(self.backbone.depths)}, not {list(config.backbone.depths)}")
        anchors = self.nets.anchor_difference(config)
        found += [*self.nets.differences(config).values(), *([anchors] if anchors else [])]
        found = self._plus_differences(config) + found
        if self.num_downsample < config.num_downsample:  # more is a v1.0 checkpoint, whose extra levels are dropped
            unread = (
                "" if self.num_downsample else " (or trained with use_conv_downsample = False, which is not supported)"
            )
            found.append(f"{self.num_downsample} extra FPN levels, not {config.num_downsample}{unread}")
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

    def variant_of(self, config: ModelConfig, with_backbone: bool = False) -> ModelConfig:
        """`config` with the prototype net and the heads that the tensors tell, where it has others; with_backbone: with
        their ResNet or DarkNet of the same width, too. Raises ConfigError where that cannot be."""
        fields = self.nets.fields()
        changed = self.nets.differences(config)
        kept = {"mask_proto_net": ("proto_channels", "num_prototypes"), "extra_head_net": ("head_channels",)}
        for name, others in kept.items():
            if name not in changed:  # a recipe that a configuration states says more than tensors do
                fields = {key: value for key, value in fields.items() if key not in (name, *others)}
        here, there = self.backbone, config.backbone
        is_alike = (here.kind, here.width) == (there.kind, there.width)
        if with_backbone and is_alike and not (here.deformable_blocks or there.deformable_blocks):
            fields["backbone"] = here
        return replace(config, **fields)

    def describe(self) -> str:
        """In a line."""
        parts = [self.backbone.describe(), *self._plus_parts()]
        return (
            f"YOLACT{'++' if self.is_plus else ''} with {', '.join(parts)}, {self.fpn_channels} FPN channels, "
            f"{self.nets.num_prototypes} prototypes, {self.nets.anchors} on {self.levels} FPN levels, "
            f"{self.num_classes} classes"
        )

    def completed(self, config: ModelConfig) -> ModelConfig:
        """`config` with what the tensors tell."""
        return replace(
            config,
            backbone=self.backbone,
            fpn_channels=self.fpn_channels,
            fpn_extra_from=self.extra_from or config.fpn_extra_from,
            mask_iou_channels=self.mask_iou_channels,
            **self.nets.fields(),
        )

    def config_hint(self) -> str:
        """The fields that a configuration file needs, as JSON; anchors and image size are for the user to add."""
        usual = BackboneConfig(self.backbone.kind, self.backbone.depths, self.backbone.width)
        backbone = {
            key: value
            for key, value in asdict(self.backbone).items()
            if key in ("kind", "depths", "width")
            or value != getattr(usual, key)
            or (self.is_plus and key.startswith("dcn_"))
        }
        fields: dict[str, Any] = {"backbone": backbone, "fpn_channels": self.fpn_channels, **self.nets.hint()}
        if self.extra_from == "C5":
            fields["fpn_extra_from"] = self.extra_from
        if self.is_plus:
            fields["mask_iou_channels"] = self.mask_iou_channels
        return json.dumps(fields)

    def advice(self) -> str:
        """What a configuration file needs, in words."""
        return (
            f"{self.config_hint()} and scales and aspect_ratios that make {self.nets.anchors} on {self.levels} levels"
        )


def _backbone(shapes: Mapping[str, tuple[int, ...]]) -> BackboneConfig:
    stages = _count(shapes, r"backbone\.layers\.(\d+)\..*")
    if stages > MAX_STAGES:
        raise CheckpointError(f"a backbone of {stages} stages, more than {MAX_STAGES}")
    blocks = [_count(shapes, rf"backbone\.layers\.{stage}\.(\d+)\..*") for stage in range(stages)]
    if "backbone.patch_embed.proj.weight" in shapes:
        blocks = [_count(shapes, rf"backbone\.layers\.{stage}\.blocks\.(\d+)\..*") for stage in range(stages)]
        return BackboneConfig("swin", tuple(blocks), shapes["backbone.patch_embed.proj.weight"][0])
    if "backbone.layers.0.0.bias" in shapes:  # no other backbone has a bias there
        raise CheckpointError("a YOLACT with a VGG backbone (vgg16_backbone), which this version does not read")
    if "backbone.layers.0.0.weight" in shapes:  # MobileNetV2's stem comes before its groups
        return BackboneConfig("mobilenetv2", tuple(blocks[1:]), shapes["backbone.layers.0.0.weight"][0])
    if "backbone._preconv.0.weight" in shapes:
        width = shapes["backbone.layers.0.0.0.weight"][0]
        return BackboneConfig("darknet", tuple(count - 1 for count in blocks), width)
    plain = BackboneConfig("resnet", tuple(blocks), shapes["backbone.conv1.weight"][0], **_blocks_of_resnet(shapes))
    pattern = r"backbone\.layers\.(\d+)\.(\d+)\.conv2\.conv_offset_mask\.weight"
    deformable = {(int(match[1]), int(match[2])) for key in shapes if (match := re.fullmatch(pattern, key))}
    return _with_deformable(plain, deformable) if deformable else plain


def _blocks_of_resnet(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Any]:
    """Fields of a `BackboneConfig` that say what a ResNet's blocks are."""
    norms = [key for key in shapes if key.startswith("backbone.") and key.endswith(".running_mean")]
    if "backbone.bn1.weight" in shapes and not norms:
        raise CheckpointError(
            "a YOLACT whose backbone has group normalisation (resnet101_gn_backbone), which this version does not read"
        )
    conv = shapes.get("backbone.layers.0.0.conv2.weight", ())
    if len(conv) == 4 and "backbone.layers.0.0.conv3.weight" not in shapes:
        return {"block": "basic"}
    if len(conv) != 4 or not conv[1] or conv[0] % conv[1]:  # what is wrong, the comparison of shapes says
        return {}
    groups = conv[0] // conv[1]
    width, rest = divmod(64 * conv[1], shapes["backbone.conv1.weight"][0])
    # torchvision rounds the channels of a group down, so that any of these widths may have been meant.
    return {"groups": groups, "width_per_group": width + bool(rest)}


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
