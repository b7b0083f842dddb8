"""What a backbone is: its family, its size, and which of its convolutions are deformable."""

from __future__ import annotations

import dataclasses
import reprlib
from dataclasses import dataclass
from typing import Any

from ..errors import ConfigError

BACKBONE_KINDS = ("resnet", "darknet", "mobilenetv2", "swin")
BLOCKS = ("bottleneck", "basic")  # of a resnet
MOBILENET_GROUPS = 6  # that a detector uses; the seventh and the last convolution only serve the classifier
SWIN_STAGES = 4
SWIN_HEAD_WIDTH = 32  # channels per attention head
MAX_STAGES = 8
MAX_BLOCKS = 256  # of a stage; ResNet-152 has 36
MAX_WIDTH = 1024
_STEM = 64  # channels of the usual ResNet's stem, which torchvision counts `width_per_group` by


@dataclass(frozen=True)
class Normalization:
    """How pixels 0..255 become network input: (pixel - mean) / std, a value a channel in BGR order."""

    mean: tuple[float, float, float]
    std: tuple[float, float, float]


_IMAGENET = Normalization(mean=(103.94, 116.78, 123.68), std=(57.38, 57.12, 58.40))
_NORMALIZATIONS = {  # official data/config.py, one a backbone family
    "resnet": _IMAGENET,
    "mobilenetv2": _IMAGENET,
    "swin": _IMAGENET,
    "darknet": Normalization(mean=(0.0, 0.0, 0.0), std=(255.0, 255.0, 255.0)),
}


# Fields that format 2 of exported files lacks, and their defaults.
_ADDED: dict[str, Any] = {"block": "bottleneck", "groups": 1, "width_per_group": 64}


@dataclass(frozen=True)
class BackboneConfig:
    """A backbone by its family, depth and width. Its last three stages feed the FPN; of MobileNetV2's groups, counted
    from 1, it is 3, 4 and 6."""

    kind: str = "resnet"  # one of BACKBONE_KINDS
    depths: tuple[int, ...] = (3, 4, 23, 3)  # blocks per stage (MobileNetV2: per group)
    width: int = 64  # channels: ResNet's or MobileNetV2's stem, DarkNet's or Swin's first stage
    block: str = "bottleneck"  # of a resnet: one of BLOCKS; ResNet-18 and -34 have basic ones
    groups: int = 1  # of the 3x3 convolutions of bottlenecks: ResNeXt has 32 or 64
    width_per_group: int = 64  # their channels in the first stage at a width of 64; of a wide ResNet 128
    dcn_layers: tuple[int, ...] = ()  # a stage: how many of its last blocks may be deformable; empty: none anywhere
    dcn_interval: int = 1  # of these only every so many blocks of the stage, the first counted as 0

    @property
    def is_official(self) -> bool:
        """Whether it has nothing that exported files of format 2 cannot say."""
        return self.kind != "swin" and all(getattr(self, name) == value for name, value in _ADDED.items())

    def to_dict(self) -> dict[str, Any]:
        """Plain values; what format 2 of exported files lacks only where it is used."""
        values = dataclasses.asdict(self)
        return {name: value for name, value in values.items() if name not in _ADDED or value != _ADDED[name]}

    def __post_init__(self) -> None:
        if self.kind not in BACKBONE_KINDS:
            raise ConfigError(
                f"unknown backbone kind {reprlib.repr(self.kind)}: use one of {', '.join(BACKBONE_KINDS)}"
            )
        if not 3 <= len(self.depths) <= MAX_STAGES:
            raise ConfigError(f"backbone depths: {len(self.depths)} stages, not 3 to {MAX_STAGES}")
        if not all(1 <= depth <= MAX_BLOCKS for depth in self.depths):
            raise ConfigError(f"backbone depths {list(self.depths)}: 1 to {MAX_BLOCKS} blocks per stage")
        if not 2 <= self.width <= MAX_WIDTH or self.width % 2:
            raise ConfigError(f"backbone width {self.width}: an even number, 2 to {MAX_WIDTH}")
        if self.kind == "mobilenetv2" and (len(self.depths) != MOBILENET_GROUPS or self.width % 4):
            raise ConfigError(
                f"a mobilenetv2 of depths {list(self.depths)} and width {self.width}: {MOBILENET_GROUPS} groups and a "
                "multiple of 4 channels"
            )
        if self.kind == "swin" and (len(self.depths) != SWIN_STAGES or self.width % SWIN_HEAD_WIDTH):
            raise ConfigError(
                f"a swin of depths {list(self.depths)} and width {self.width}: {SWIN_STAGES} stages and a multiple of "
                f"{SWIN_HEAD_WIDTH} channels"
            )
        self._check_blocks()
        self._check_deformable()

    def _check_blocks(self) -> None:
        if self.block not in BLOCKS:
            raise ConfigError(f"unknown backbone block {reprlib.repr(self.block)}: use one of {', '.join(BLOCKS)}")
        if not 1 <= self.groups <= MAX_WIDTH or not 1 <= self.width_per_group <= MAX_WIDTH:
            raise ConfigError(
                f"backbone groups {self.groups} and width_per_group {self.width_per_group}: between 1 and {MAX_WIDTH}"
            )
        is_widened = self.groups != 1 or self.width_per_group != _STEM
        if self.kind != "resnet" and (self.block != BLOCKS[0] or is_widened):
            raise ConfigError(f"block, groups and width_per_group are settings of a resnet, not of a {self.kind}")
        if self.block == "basic" and is_widened:
            raise ConfigError("groups and width_per_group are settings of bottleneck blocks, not of basic ones")
        if self.inner_channels(0) == 0:
            raise ConfigError(
                f"width_per_group {self.width_per_group}: no channels are left at a width of {self.width}"
            )

    def _check_deformable(self) -> None:
        if self.dcn_interval < 1:
            raise ConfigError(f"dcn_interval {self.dcn_interval}: 1 or more")
        if not self.dcn_layers:
            return
        stated = f"dcn_layers {list(self.dcn_layers)}"
        if self.kind != "resnet" or self.block != "bottleneck" or self.groups != 1:
            raise ConfigError(f"{stated}: only bottlenecks of a resnet, without groups, have deformable convolutions")
        if len(self.dcn_layers) != len(self.depths):
            raise ConfigError(f"{stated}: one number for each of the {len(self.depths)} stages")
        if any(not 0 <= count <= depth for count, depth in zip(self.dcn_layers, self.depths, strict=True)):
            raise ConfigError(f"{stated}: between 0 and the stage's blocks, {list(self.depths)}")

    @property
    def deformable_blocks(self) -> tuple[tuple[int, int], ...]:
        """Stage and block of every deformable convolution, as in `backbone.layers.STAGE.BLOCK.conv2`.

        The official rule (backbone.py, `_make_layer`): among the last `dcn_layers` blocks of a stage those whose
        number is a multiple of `dcn_interval`.
        """
        return tuple(
            (stage, block)
            for stage, (depth, count) in enumerate(zip(self.depths, self.dcn_layers, strict=False))
            for block in range(depth - count, depth)
            if block % self.dcn_interval == 0
        )

    def inner_channels(self, stage: int) -> int:
        """Channels of the 3x3 convolutions of a resnet's stage, as torchvision counts them."""
        return (self.width << stage) * self.width_per_group // _STEM * self.groups

    @property
    def halvings(self) -> int:
        """Stride-2 layers before the finest of the three outputs and in it."""
        by_kind = {"resnet": len(self.depths) - 1, "darknet": len(self.depths) - 2, "mobilenetv2": 3, "swin": 3}
        return by_kind[self.kind]

    @property
    def normalization(self) -> Normalization:
        """What the family was trained to see."""
        return _NORMALIZATIONS[self.kind]

    def describe(self) -> str:
        """A name that people know, such as ResNet-50; deformable convolutions are not part of it."""
        if self.kind == "mobilenetv2":
            name = "MobileNetV2" if self.width == 32 else f"MobileNetV2 of width {self.width}"
            return name if self.depths == (1, 2, 3, 4, 3, 3) else f"{name} and depths {list(self.depths)}"
        if self.kind == "swin":
            name = "Swin-Tiny" if self.depths == (2, 2, 6, 2) else f"Swin of depths {list(self.depths)}"
            return name if self.width == 96 else f"{name} of width {self.width}"
        if self.kind == "darknet":
            layers = 2 * sum(self.depths) + len(self.depths) + 2  # the stem, the downsamplings, the classifier
            name = f"DarkNet-{layers}"
        else:
            name = self._describe_resnet()
        return name if self.width == _STEM else f"{name} of width {self.width}"

    def _describe_resnet(self) -> str:
        if self.block == "basic":
            name = f"ResNet-{2 * sum(self.depths) + 2}"
            # Two convolutions per block and three can make the same number of layers.
            return name if name in ("ResNet-18", "ResNet-34") else f"{name} of basic blocks"
        layers = 3 * sum(self.depths) + 2
        if self.groups > 1:
            return f"ResNeXt-{layers} {self.groups}x{self.width_per_group}d"
        return f"ResNet-{layers}" if self.width_per_group == _STEM else f"wide ResNet-{layers} ({self.width_per_group})"
