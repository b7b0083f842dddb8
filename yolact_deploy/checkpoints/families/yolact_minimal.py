"""Yolact_minimal, and yolact-pytorch, which saves the same keys of another network.

Yolact_minimal keeps the aspect ratio and upsamples prototypes from corner to corner; yolact-pytorch stretches images
and upsamples by the nearest value. No tensor tells them apart: the file's name can, otherwise `--family` has to.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import torch

from ...config.model import NAMED_CONFIGS, ModelConfig
from ...config.postprocess import PostprocessConfig
from ...errors import CheckpointError
from . import names
from .family import Family, Tensors, Translation, has_key, renamed

_HEAD = "prediction_layers.0."
_RENAMED = (
    # Levels come finest first, officially deepest first.
    *((rf"fpn\.lat_layers\.{level}\.", f"fpn.lat_layers.{2 - level}.") for level in range(3)),
    *((rf"fpn\.pred_layers\.{level}\.0\.", f"fpn.pred_layers.{2 - level}.") for level in range(3)),
    (r"fpn\.downsample_layers\.(\d+)\.0\.", r"fpn.downsample_layers.\1."),
    (r"proto_net\.proto1\.", "proto_net."),
    *((rf"proto_net\.proto2\.{layer}\.", f"proto_net.{8 + layer}.") for layer in (0, 2)),
    (r"prediction_layers\.(?=(?:upfeature\.0|bbox_layer|conf_layer)\.)", _HEAD),
    (r"prediction_layers\.coef_layer\.0\.", f"{_HEAD}mask_layer."),
)
_OFFICIAL_KEYS = r"prediction_layers\.\d|proto_net\.\d|fpn\.(?:pred|downsample)_layers\.\d+\.(?:weight|bias)"
_INDEX = "relative_position_index"  # integers that follow from the window
_MINIMAL_FILE = re.compile(r"(?:best_[\d.]+|latest)_((?:res101|res50|swin_tiny)_(?:coco|pascal|custom))_\d+")
_NAMED = {  # as its file names call them
    "res101_coco": "yolact_minimal_res101",
    "res50_coco": "yolact_minimal_res50",
    "swin_tiny_coco": "yolact_minimal_swin_tiny",
    "res50_pascal": "yolact_minimal_res50_pascal",
    "res101_custom": "yolact_minimal_res101",
    "res50_custom": "yolact_minimal_res50",
}


# As yolact-pytorch saves and publishes its own.
_PYTORCH_FILE = re.compile(r"ep\d+-loss[\d.]+-val_loss[\d.]+|(?:best|last)_epoch_weights|yolact_weights_\w+")
_SEGMENTATION = "semantic_seg_conv.weight"  # of training; yolact-pytorch always saves it


def _recognises(tensors: Tensors) -> bool:
    return has_key(tensors, "proto_net.proto", "prediction_layers.upfeature.", "prediction_layers.coef_layer.")


def _could_be_pytorch(tensors: Tensors) -> bool:
    """It has a ResNet-50 alone."""
    is_resnet50 = has_key(tensors, "backbone.layers.2.5.") and not has_key(tensors, "backbone.layers.2.6.")
    return _recognises(tensors) and is_resnet50


def _translate_minimal(tensors: Tensors, path: Path) -> Translation:
    official, dropped = _under_official_keys(tensors, path)
    named = _config_named_by(path)
    config = named or replace(NAMED_CONFIGS["yolact_minimal_res50"], name="yolact_minimal")
    assumption = f"{path.name} names no configuration; assumed {config.image_size} px and the anchors of COCO"
    rules = PostprocessConfig(clip_boxes=True)
    return Translation(official, dropped, (), config, rules, assumption="" if named else assumption)


def _translate_pytorch(tensors: Tensors, path: Path) -> Translation:
    official, dropped = _under_official_keys(tensors, path)
    rules = PostprocessConfig(threshold_per_class=True)
    return Translation(official, dropped, (), NAMED_CONFIGS["yolact_pytorch"], rules)


def _under_official_keys(tensors: Tensors, path: Path) -> tuple[dict[str, torch.Tensor], tuple[str, ...]]:
    """The tensors, and the keys that were left out. Raises CheckpointError for a mixture with the official code."""
    mixed = next((key for key in tensors if re.match(_OFFICIAL_KEYS, key)), None)
    if mixed is not None:
        raise CheckpointError(f"{path.name} mixes two families: {mixed} of the official code, others of Yolact_minimal")
    dropped = tuple(key for key in tensors if key.endswith(_INDEX))
    return renamed({key: value for key, value in tensors.items() if key not in dropped}, _RENAMED, path), dropped


def _config_named_by(path: Path) -> ModelConfig | None:
    """The configuration in the name of a file, as Yolact_minimal's training writes it."""
    match = _MINIMAL_FILE.fullmatch(path.stem)
    return NAMED_CONFIGS[_NAMED[match[1]]] if match and match[1] in _NAMED else None


def _doubt(tensors: Tensors, path: Path) -> str:
    if not _could_be_pytorch(tensors) or _config_named_by(path) is not None:
        return ""
    if _PYTORCH_FILE.fullmatch(path.stem):
        reason = "is of yolact-pytorch by its name, and has the tensors of Yolact_minimal, another network"
    elif _SEGMENTATION in tensors:
        reason = "is of Yolact_minimal or of yolact-pytorch, whose tensors are the same and whose networks are not"
    else:
        return ""
    return f"{reason}: pass --family {names.YOLACT_MINIMAL} or --family {names.YOLACT_PYTORCH}"


YOLACT_MINIMAL = Family(
    name="Yolact_minimal",
    option=names.YOLACT_MINIMAL,
    configurations=tuple(name for name in NAMED_CONFIGS if name.startswith("yolact_minimal")),
    recognises=_recognises,
    translate=_translate_minimal,
    doubt=_doubt,
)
YOLACT_PYTORCH = Family(
    name="yolact-pytorch",
    option=names.YOLACT_PYTORCH,
    configurations=("yolact_pytorch",),
    recognises=_could_be_pytorch,
    translate=_translate_pytorch,
)
