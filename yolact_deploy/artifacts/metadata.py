"""What an exported file says of itself, so that nobody has to know the command that made it."""

from __future__ import annotations

import json
import reprlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from ..config.model import ModelConfig
from ..config.plain_values import parse_json
from ..config.postprocess import PostprocessConfig
from ..config.thresholds import GivenThresholds, Thresholds, by_name, class_thresholds, given_thresholds, merged
from ..errors import ConfigError, ModelFileError, warn_assumed
from .quantization import Quantization

FORMAT_KEY = "yolact_deploy.format"
QUANTIZATION_KEY = "yolact_deploy.quantization"
THRESHOLDS_KEY = "yolact_deploy.thresholds"
FORMATS = ("1", "2", "3")  # the newest grows when a reader of this version could misread a file
IMAGE_INPUTS, TENSOR_INPUTS, PLANAR_INPUTS = INPUT_KINDS = ("image", "tensor", "planar")
PROTOTYPE_SIZE_MASKS, IMAGE_SIZE_MASKS = MASK_SIZES = ("prototype", "image")
MAX_WORD_LENGTH = 255  # characters of a name, a hash, a version: what a file name may have
INT8 = "int8"
DEFORM_CONV_FORMS = ("gridsample", "onnx")  # of deformable convolutions, see export/graph/deform_conv.py


@dataclass(frozen=True)
class ModelMetadata:
    """Everything that a consumer of an exported model needs."""

    config: ModelConfig
    postprocess: PostprocessConfig
    # "image": uint8 [B,H,W,3] BGR, any size; "tensor": float32 [B,3,S,S] RGB, normalised; "planar": the same from 0 to
    # 255, not normalised
    input_kind: str
    precision: str  # of the network: fp32, fp16, bf16 or int8
    checkpoint_name: str
    checkpoint_sha256: str
    tool_version: str
    deform_conv: str = "none"  # one of DEFORM_CONV_FORMS, or none where nothing is deformable
    # "prototype": float32 [B,D,Hp,Wp], soft; "image": int32 [B,D,H,ceil(W/32)], see types.PackedMasks
    mask_size: str = PROTOTYPE_SIZE_MASKS
    quantization: Quantization | None = None  # of an int8 file that this project made
    thresholds: Thresholds = ()  # lowest score of each class; whoever runs the model leaves out what is below

    @property
    def format(self) -> str:
        """The oldest of FORMATS that can say this: 1 knows masks at prototype size only, 2 what the official code and
        YolactEdge do, without planar inputs and thresholds of classes."""
        is_new = self.thresholds or self.input_kind == PLANAR_INPUTS
        if is_new or not self.postprocess.is_official or not self.config.is_official:
            return FORMATS[2]
        return FORMATS[0] if self.mask_size == PROTOTYPE_SIZE_MASKS else FORMATS[1]

    @property
    def named_thresholds(self) -> dict[str, float]:
        """`thresholds` by class name, of the classes that have one."""
        return by_name(self.thresholds, self.config.class_names)

    def describe_thresholds(self) -> str:
        """For people: bolt 0.43, nut 0.51."""
        return ", ".join(f"{name} {score:g}" for name, score in self.named_thresholds.items()) or "none"

    def with_class_names(self, class_names: Sequence[str] | None) -> ModelMetadata:
        """The same with its classes named; None: as they are. Raises ConfigError for another number of names."""
        if class_names is None:
            return self
        return replace(self, config=self.config.with_class_names(tuple(class_names)))

    def with_thresholds(self, given: GivenThresholds | None) -> ModelMetadata:
        """The same with the thresholds of the classes that `given` names. Raises ConfigError for what is none."""
        new = class_thresholds(given_thresholds(given), self.config.class_names)
        return replace(self, thresholds=merged(self.thresholds, new))

    def to_props(self) -> dict[str, str]:
        """Entries for ONNX `metadata_props`."""
        optional = {} if self.quantization is None else {QUANTIZATION_KEY: self.quantization.to_json()}
        if self.thresholds:
            optional[THRESHOLDS_KEY] = json.dumps(self.named_thresholds)
        return {
            FORMAT_KEY: self.format,
            "yolact_deploy.version": self.tool_version,
            "yolact_deploy.config": json.dumps(self.config.to_dict()),
            "yolact_deploy.postprocess": json.dumps(self.postprocess.to_dict()),
            "yolact_deploy.class_names": json.dumps(self.config.class_names),
            "yolact_deploy.input": self.input_kind,
            "yolact_deploy.precision": self.precision,
            "yolact_deploy.deform_conv": self.deform_conv,
            "yolact_deploy.masks": self.mask_size,
            "yolact_deploy.checkpoint": self.checkpoint_name,
            "yolact_deploy.checkpoint_sha256": self.checkpoint_sha256,
            **optional,
        }

    @classmethod
    def from_props(cls, props: Mapping[str, str], source: object) -> ModelMetadata:
        """The inverse of `to_props`; `source` names the file in errors.

        Raises ModelFileError when the entries are not ours, of a newer format, or damaged.
        """
        if FORMAT_KEY not in props:
            raise ModelFileError(
                f"{source} was not made by yolact-deploy (it has no {FORMAT_KEY} metadata): "
                "export it from a checkpoint with `yolact-deploy export`"
            )
        if props[FORMAT_KEY] not in FORMATS:
            raise ModelFileError(
                f"{source} has format {str(props[FORMAT_KEY])[:20]}, this version reads up to {FORMATS[-1]}: "
                "update yolact-deploy, or export again"
            )
        try:
            config = ModelConfig.from_dict(parse_json(props["yolact_deploy.config"]))
            return cls(
                config=config,
                postprocess=PostprocessConfig.from_dict(parse_json(props["yolact_deploy.postprocess"])),
                input_kind=_word(props, "input", INPUT_KINDS),
                precision=_word(props, "precision"),
                checkpoint_name=_word(props, "checkpoint"),
                checkpoint_sha256=_word(props, "checkpoint_sha256"),
                tool_version=_word(props, "version"),
                deform_conv=_word(props, "deform_conv", ("none", *DEFORM_CONV_FORMS), default="none"),
                mask_size=_word(props, "masks", MASK_SIZES, default=PROTOTYPE_SIZE_MASKS),
                quantization=_quantization(props.get(QUANTIZATION_KEY)),
                thresholds=class_thresholds(parse_json(props.get(THRESHOLDS_KEY, "{}")), config.class_names),
            )
        except KeyError as error:
            reason = f"it lacks {error.args[0]}"
        except (TypeError, ValueError, ConfigError) as error:
            reason = str(error)
        raise ModelFileError(f"{source} has damaged yolact-deploy metadata ({reason}): export it again")

    def with_precision_of(self, is_quantised: bool, source: object) -> ModelMetadata:
        """The same with the precision that the graph's nodes show; warns where the label says another."""
        if is_quantised == (self.precision == INT8):
            return self
        if is_quantised:
            warn_assumed(f"{source} says that it is {self.precision}, but its nodes quantise: taken as {INT8}")
            return replace(self, precision=INT8)
        warn_assumed(f"{source} says that it is {INT8}, but none of its nodes quantises: taken as fp32")
        return replace(self, precision="fp32")


def _word(props: Mapping[str, str], key: str, allowed: tuple[str, ...] = (), default: str | None = None) -> str:
    """An entry that is a short text, one of `allowed` where they are given. Raises KeyError, ValueError."""
    name = f"yolact_deploy.{key}"
    text = props[name] if default is None else props.get(name, default)
    if not isinstance(text, str) or len(text) > MAX_WORD_LENGTH or (allowed and text not in allowed):
        raise ValueError(f"{name} is {reprlib.repr(text)}")
    return text


def _quantization(text: str | None) -> Quantization | None:
    """Raises as `Quantization.from_json`."""
    return None if text is None else Quantization.from_json(text)
