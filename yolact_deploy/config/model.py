"""What a model is and how its outputs become detections: frozen values, passed and never reached for."""

from __future__ import annotations

import dataclasses
import difflib
import reprlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..errors import ConfigError, warn_assumed
from . import class_names as names
from .anchors import MAX_PRIORS, anchors_by_level, check_anchors, ratios_by_level
from .backbone import BackboneConfig, Normalization
from .layers import MAX_CHANNELS, Layer, default_head_net, default_proto_net, output_channels, output_sizes
from .named import NAMED_FIELDS
from .nets import check_head, check_mask_iou_net, check_proto_net, plain_fields, prepared_fields
from .values import checked_fields, read_mapping

# Far beyond what anybody trains, and little enough that no file takes the memory.
MIN_IMAGE_SIZE, MAX_IMAGE_SIZE = 32, 4096  # px
MAX_CLASSES = 10_000
MAX_NAME_LENGTH = 200  # characters of a class or configuration name
FPN_EXTRA_FROM = ("P5", "C5")  # the FPN's last level, or the backbone's
FPN_UPSAMPLE = ("bilinear", "nearest")  # half-pixel centres
PROTO_UPSAMPLE = ("bilinear", "align_corners", "nearest")  # the second is bilinear, too, from corner to corner
STRETCH, KEEP_ASPECT = RESIZE = ("stretch", "keep_aspect")

_CHOICES = {
    "resize": RESIZE,
    "fpn_extra_from": FPN_EXTRA_FROM,
    "fpn_upsample": FPN_UPSAMPLE,
    "proto_upsample": PROTO_UPSAMPLE,
}
# Fields that format 2 of exported files lacks, and their defaults.
_ADDED: dict[str, Any] = {
    "resize": STRETCH,
    "fpn_extra_relu": False,
    "fpn_upsample": "bilinear",
    "proto_upsample": "bilinear",
    "mask_proto_net": (),
    "mask_proto_bias": False,
    "share_prediction_module": True,
    "extra_head_net": None,
    "extra_layers": (0, 0, 0),
}
_RESNET101 = BackboneConfig()


@dataclass(frozen=True)
class ModelConfig:
    """A YOLACT or YOLACT++ network. The defaults are the official `yolact_base`."""

    name: str = "yolact_base"
    backbone: BackboneConfig = _RESNET101
    image_size: int = 550  # network input side S, px
    # One of RESIZE. "stretch": the whole image becomes the input, whatever its aspect ratio. "keep_aspect": a square of
    # its longer side does, with the image at the top left and its mean colour elsewhere, see ops/square.py.
    resize: str = STRETCH
    class_names: tuple[str, ...] = names.COCO  # one per class, background not counted
    scales: tuple[tuple[float, ...], ...] = ((24,), (48,), (96,), (192,), (384,))  # anchor sizes a level, px
    aspect_ratios: tuple[float, ...] | tuple[tuple[float, ...], ...] = (1, 0.5, 2)  # width / height, or a list a level
    square_anchors: bool = True  # the official v1 bug that its weights depend on: height = width
    fpn_channels: int = 256
    fpn_relu: bool = True  # after P3, P4 and P5
    fpn_extra_from: str = "P5"  # one of FPN_EXTRA_FROM: what the first extra level is computed from
    fpn_extra_relu: bool = False  # after each extra level
    fpn_upsample: str = "bilinear"  # one of FPN_UPSAMPLE: from a level to the finer one
    proto_channels: int = 256
    proto_upsample: str = "bilinear"  # one of PROTO_UPSAMPLE: in the prototype net
    head_channels: int = 256
    num_prototypes: int = 32
    mask_proto_net: tuple[Layer, ...] = ()  # the prototype net; empty: the official one, `proto_channels` wide
    mask_proto_bias: bool = False  # masks have a bias: one more coefficient, of a prototype that is 1 everywhere
    share_prediction_module: bool = True  # one head serves every level
    extra_head_net: tuple[Layer, ...] | None = None  # before the head's three branches; None: one of `head_channels`
    extra_layers: tuple[int, ...] = (0, 0, 0)  # 3x3 convolutions at the start of each branch: boxes, classes, masks
    # Of each stride-2 layer of the mask-IoU net (YOLACT++), which re-scores masks; empty: there is no such net.
    mask_iou_channels: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if not MIN_IMAGE_SIZE <= self.image_size <= MAX_IMAGE_SIZE:
            raise ConfigError(f"image_size {self.image_size}: between {MIN_IMAGE_SIZE} and {MAX_IMAGE_SIZE} px")
        check_anchors(self.scales, self.aspect_ratios, self.share_prediction_module)
        if self.num_priors > MAX_PRIORS:
            raise ConfigError(f"scales and aspect_ratios: {self.num_priors} anchors in all, at most {MAX_PRIORS}")
        for field in ("fpn_channels", "proto_channels", "head_channels", "num_prototypes"):
            if not 1 <= getattr(self, field) <= MAX_CHANNELS:
                raise ConfigError(f"{field} {getattr(self, field)}: between 1 and {MAX_CHANNELS}")
        for field, choices in _CHOICES.items():
            if getattr(self, field) not in choices:
                raise ConfigError(f"{field} {reprlib.repr(getattr(self, field))}: use one of {', '.join(choices)}")
        self._check_names()
        check_proto_net(self.proto_layers, self.num_prototypes, self.level_sizes[0])
        check_head(self.head_layers, self.extra_layers)
        check_mask_iou_net(self.mask_iou_channels, self.proto_size)

    def _check_names(self) -> None:
        _check_num_classes(len(self.class_names))
        for name in (self.name, *self.class_names):
            if len(name) > MAX_NAME_LENGTH:
                raise ConfigError(f"name {reprlib.repr(name)}: at most {MAX_NAME_LENGTH} characters")

    @property
    def num_classes(self) -> int:
        """C: classes without background."""
        return len(self.class_names)

    @property
    def num_coefs(self) -> int:
        """K: mask coefficients per detection, and channels of `proto`."""
        return self.num_prototypes + self.mask_proto_bias

    @property
    def proto_layers(self) -> tuple[Layer, ...]:
        """The prototype net."""
        return self.mask_proto_net or default_proto_net(self.proto_channels, self.num_prototypes)

    @property
    def head_layers(self) -> tuple[Layer, ...]:
        """What comes before the three branches of a head; may be nothing."""
        return default_head_net(self.head_channels) if self.extra_head_net is None else self.extra_head_net

    @property
    def branch_channels(self) -> int:
        """Channels that each branch of a head reads."""
        return output_channels(self.head_layers, self.fpn_channels)

    @property
    def level_aspect_ratios(self) -> tuple[tuple[float, ...], ...]:
        """Aspect ratios of each FPN level, finest first."""
        return ratios_by_level(self.aspect_ratios, len(self.scales))

    @property
    def level_anchors(self) -> tuple[int, ...]:
        """A of each FPN level: anchors at each of its positions."""
        return anchors_by_level(self.scales, self.level_aspect_ratios)

    @property
    def rescores_masks(self) -> bool:
        """Whether masks have scores of their own (YOLACT++)."""
        return bool(self.mask_iou_channels)

    @property
    def is_plus(self) -> bool:
        """Whether anything of YOLACT++ is in the network: deformable convolutions or the mask-IoU net."""
        return self.rescores_masks or bool(self.backbone.deformable_blocks)

    @property
    def is_official(self) -> bool:
        """Whether it has nothing that exported files of format 2 cannot say."""
        return self.backbone.is_official and all(getattr(self, name) == value for name, value in _ADDED.items())

    @property
    def num_downsample(self) -> int:
        """FPN levels above the three that come from the backbone."""
        return len(self.scales) - 3

    @property
    def normalization(self) -> Normalization:
        """What the backbone was trained to see."""
        return self.backbone.normalization

    @property
    def level_sizes(self) -> tuple[int, ...]:
        """Side of each FPN level, cells. Every stride-2 layer of the network halves and rounds up."""
        size = self.image_size
        for _ in range(self.backbone.halvings - 1):
            size = -(-size // 2)
        sizes = []
        for _ in self.scales:
            size = -(-size // 2)
            sizes.append(size)
        return tuple(sizes)

    @property
    def level_priors(self) -> tuple[int, ...]:
        """Anchors of each FPN level."""
        return tuple(size * size * count for size, count in zip(self.level_sizes, self.level_anchors, strict=True))

    @property
    def num_priors(self) -> int:
        """N: anchors of all levels."""
        return sum(self.level_priors)

    @property
    def proto_size(self) -> int:
        """Hp = Wp: side of the prototypes, px."""
        return output_sizes(self.proto_layers, self.level_sizes[0])[-1]

    @property
    def has_generic_names(self) -> bool:
        """Whether the class names are numbers because nobody gave any."""
        return self.class_names == names.generic(self.num_classes)

    def with_num_classes(self, num_classes: int) -> ModelConfig:
        """The same network for another number of classes, whose names are then not known."""
        _check_num_classes(num_classes)
        if num_classes == self.num_classes:
            return self
        return replace(self, class_names=names.generic(num_classes))

    def with_image_size(self, image_size: int) -> ModelConfig:
        """The same network for another input side, anchors scaled with it as in the official im400 and im700
        configurations: in proportion, truncated to whole pixels."""
        scales = tuple(
            tuple(max(1, int(scale / self.image_size * image_size)) for scale in level) for level in self.scales
        )
        return replace(self, image_size=image_size, scales=scales)

    def with_class_names(self, class_names: tuple[str, ...]) -> ModelConfig:
        """The same network with its classes named; the count must stay."""
        if len(class_names) != self.num_classes:
            raise ConfigError(
                f"{len(class_names)} class names given, the model has {self.num_classes} classes: give one per class"
            )
        return replace(self, class_names=class_names)

    @classmethod
    def named(cls, name: str) -> ModelConfig:
        """The named configuration `name`, with or without `_config`.

        Raises ConfigError, listing the valid names, for any other.
        """
        config = NAMED_CONFIGS.get(name.removesuffix("_config"))
        if config is None:
            close = difflib.get_close_matches(name[:MAX_NAME_LENGTH], NAMED_CONFIGS, n=1)
            hint = f" (did you mean {close[0]}?)" if close else ""
            raise ConfigError(
                f"unknown configuration {reprlib.repr(name)}{hint}: use one of {', '.join(NAMED_CONFIGS)}"
            )
        return config

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> ModelConfig:
        """A configuration from plain values: any field of this class, plus `base`, the named configuration that
        gives the rest, and `num_classes` where names are not known. `image_size` without `scales` scales the anchors,
        and warns of it.

        Raises ConfigError for an unknown field (listing the valid ones) or a value of the wrong type.
        """
        if not isinstance(values, Mapping):
            raise ConfigError("a configuration is a mapping of field names to values")
        values = prepared_fields(values)
        base = cls.named(str(values.pop("base"))) if "base" in values else cls()
        num_classes = values.pop("num_classes", None)
        fields = checked_fields(cls, values, extra=("base", "num_classes"))
        if "backbone" in fields:
            fields["backbone"] = replace(base.backbone, **checked_fields(BackboneConfig, fields["backbone"]))
        config = replace(base, **{name: value for name, value in fields.items() if name != "image_size"})
        config = config._resized(fields.get("image_size", base.image_size), "scales" in fields)
        if num_classes is not None:
            if not isinstance(num_classes, int) or isinstance(num_classes, bool):
                raise ConfigError(f"num_classes {reprlib.repr(num_classes)}: a whole number")
            if "class_names" in fields and num_classes != config.num_classes:
                raise ConfigError(f"num_classes is {num_classes}, class_names has {config.num_classes} names")
            config = config.with_num_classes(num_classes)
        return config

    def _resized(self, image_size: int, keeps_scales: bool) -> ModelConfig:
        if keeps_scales or image_size == self.image_size:
            return replace(self, image_size=image_size)
        resized = self.with_image_size(image_size)
        warn_assumed(
            f"{self.name}: image_size {image_size} without scales, so anchors are scaled from {self.image_size} px to "
            f"{[list(level) for level in resized.scales]}: give scales if the model was trained with others"
        )
        return resized

    @classmethod
    def from_file(cls, path: str | Path) -> ModelConfig:
        """A configuration from a JSON or YAML file; see `from_dict`. Its name is the file's unless it says one."""
        path = Path(path)
        values = read_mapping(path)
        try:
            return cls.from_dict({"name": path.stem, **values})
        except ConfigError as error:
            raise ConfigError(f"{path}: {error}") from None

    def to_dict(self) -> dict[str, Any]:
        """Plain values that `from_dict` reads back; what format 2 of exported files lacks only where it is used."""
        values = plain_fields(dataclasses.asdict(self), self.mask_proto_net, self.extra_head_net)
        values["backbone"] = self.backbone.to_dict()
        return {name: value for name, value in values.items() if name not in _ADDED or value != _ADDED[name]}


def _check_num_classes(count: int) -> None:
    if not 1 <= count <= MAX_CLASSES:
        raise ConfigError(f"{count} classes: a model has 1 to {MAX_CLASSES}")


NAMED_CONFIGS: dict[str, ModelConfig] = {
    name: ModelConfig(name=name, **fields) for name, fields in NAMED_FIELDS.items()
}
