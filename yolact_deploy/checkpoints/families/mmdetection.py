"""mmdetection 2.x and 3.x: no ReLU in the FPN, P6 from C5, true anchors, and background as the last class."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from ...config.model import MAX_NAME_LENGTH, NAMED_CONFIGS, ModelConfig
from ...errors import CheckpointError
from . import names
from .family import Family, Tensors, Translation, has_key, renamed
from .mmdetection_text import RULES, Facts, UnreadError, read_text

# What its configs/yolact have in common; the backbone and the number of classes are the file's.
CONFIG = replace(NAMED_CONFIGS["mmdet_yolact_r50"], name="mmdet_yolact")
_HEAD = "prediction_layers.0."
_CLASSES, _BOXES, _COEFS = (f"{_HEAD}{layer}." for layer in ("conf_layer", "bbox_layer", "mask_layer"))
_RENAMED = (
    *((rf"backbone\.layer{stage + 1}\.", f"backbone.layers.{stage}.") for stage in range(4)),
    # Levels come finest first, officially deepest first.
    *((rf"neck\.lateral_convs\.{level}\.conv\.", f"fpn.lat_layers.{2 - level}.") for level in range(3)),
    *((rf"neck\.fpn_convs\.{level}\.conv\.", f"fpn.pred_layers.{2 - level}.") for level in range(3)),
    *((rf"neck\.fpn_convs\.{level + 3}\.conv\.", f"fpn.downsample_layers.{level}.") for level in range(5)),
    (r"bbox_head\.head_convs\.0\.conv\.", f"{_HEAD}upfeature.0."),
    (r"bbox_head\.conv_cls\.", _CLASSES),
    (r"bbox_head\.conv_reg\.", _BOXES),
    (r"bbox_head\.conv_coeff\.", _COEFS),
    (r"mask_head\.protonet\.", "proto_net."),
    (r"(?:mask_head\.segm_branch|segm_head)\.segm_conv\.", "semantic_seg_conv."),
)
# Buffers of its training: with mmcv's EMA hook, the weights that are not averaged.
_TRAINING = ("ema_", "data_preprocessor.")


def _recognises(tensors: Tensors) -> bool:
    return has_key(tensors, "bbox_head.conv_coeff.")


def _translate(tensors: Tensors, path: Path) -> Translation:
    if has_key(tensors, "bbox_head.head_convs.1."):
        raise CheckpointError(f"{path.name}: a head of several layers (num_head_convs) is not read: train with 1")
    dropped = tuple(key for key in tensors if key.startswith(_TRAINING))
    official = renamed({key: tensor for key, tensor in tensors.items() if key not in dropped}, _RENAMED, path)
    classes, segmentation = (_count(official, f"{key}weight") for key in (_CLASSES, "semantic_seg_conv."))
    anchors = _anchors(official)
    if segmentation and classes == anchors * segmentation:
        raise CheckpointError(f"{path.name}: trained with use_sigmoid=True, which is not read: train with softmax")
    for kind in ("weight", "bias"):
        key = f"{_CLASSES}{kind}"
        if key in official:
            official[key] = _background_first(official[key], anchors)
    return Translation(official, dropped, (), CONFIG, RULES)


def _describe(translation: Translation, meta: Mapping[str, Any], path: Path) -> Translation:
    """With the class names and the configuration text of `meta`, of 2.x or 3.x."""
    text = meta.get("cfg", meta.get("config"))
    facts, problem, assumption = Facts(CONFIG, RULES), "", ""
    try:
        if isinstance(text, str) and text.strip():
            facts = read_text(text, CONFIG)
        else:
            assumption = f"{path.name} holds no configuration; assumed mmdetection's own at {CONFIG.image_size} px"
    except ValueError as error:
        problem = f"its configuration text is no mmdetection configuration in Python ({error})"
    except UnreadError as error:
        problem = f"it is configured with {error}"
    anchors, tensors = _anchors(translation.tensors), translation.tensors
    if anchors not in (0, facts.config.level_anchors[0]):  # without the right text, nothing tells their order
        raise CheckpointError(
            f"{path.name}: {problem or 'its configuration differs'}, and the head has {anchors} anchors per cell, not "
            f"{facts.config.level_anchors[0]} (scales, scales_per_octave and ratios): train with one scale"
        )
    if facts.ratios_first:
        tensors = _scales_first(tensors, len(facts.config.scales[0]), len(facts.config.aspect_ratios))
    notes = list(translation.notes)
    config = _named(facts.config, meta, _count(tensors, f"{_CLASSES}weight") // max(anchors, 1) - 1, notes, path)
    return replace(
        translation,
        tensors=tensors,
        config=config,
        postprocess=facts.postprocess,
        notes=tuple(notes),
        assumption=assumption,
        problem=problem,
    )


def _named(config: ModelConfig, meta: Mapping[str, Any], count: int, notes: list[str], path: Path) -> ModelConfig:
    """`config` with the class names of `meta`, where they are `count` names."""
    inner = meta.get("dataset_meta")
    found = (inner if isinstance(inner, Mapping) else {}) or meta
    given = found.get("classes", found.get("CLASSES"))
    if isinstance(given, str):
        given = (given,)  # what ("class") without a comma is
    if not isinstance(given, (list, tuple)) or not all(isinstance(name, str) for name in given):
        return config
    if len(given) != count or any(len(name) > MAX_NAME_LENGTH for name in given):
        if count >= 1:
            notes.append(f"{path.name} names {len(given)} classes, and its head has {count}: the names are left out")
        return config
    return replace(config, class_names=tuple(given))


def _count(tensors: Tensors, key: str) -> int:
    """Filters of a layer, 0 where there are none."""
    tensor = tensors.get(key)
    return 0 if tensor is None or tensor.dim() == 0 else tensor.shape[0]


def _anchors(official: Tensors) -> int:
    return _count(official, f"{_BOXES}weight") // 4


def _background_first(layer: torch.Tensor, anchors: int) -> torch.Tensor:
    """Filters or biases [A*(C+1),...] with each anchor's last one, of the background, moved to the front."""
    if layer.dim() == 0 or anchors == 0 or layer.shape[0] % anchors:
        return layer  # no such layer has this shape, which is said when shapes are compared
    return layer.unflatten(0, (anchors, -1)).roll(1, dims=1).flatten(0, 1)


def _scales_first(tensors: Tensors, scales: int, ratios: int) -> dict[str, torch.Tensor]:
    """Layers of the head whose anchors come ratio by ratio, with them scale by scale, as officially."""
    changed = dict(tensors)
    if scales == 1:
        return changed
    for key, layer in tensors.items():
        is_head = key.startswith((_CLASSES, _BOXES, _COEFS)) and layer.dim() > 0
        if is_head and layer.shape[0] % (scales * ratios) == 0:
            changed[key] = layer.unflatten(0, (ratios, scales, -1)).transpose(0, 1).flatten(0, 2)
    return changed


MMDETECTION = Family(
    name="mmdetection",
    option=names.MMDETECTION,
    configurations=tuple(name for name in NAMED_CONFIGS if name.startswith("mmdet_")),
    recognises=_recognises,
    translate=_translate,
    describe=_describe,
)
