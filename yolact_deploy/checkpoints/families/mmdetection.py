"""mmdetection 2.x and 3.x: no ReLU in the FPN, P6 from C5, true anchors, and background as the last class."""

from __future__ import annotations

from pathlib import Path

import torch

from ...config.model import ModelConfig
from ...errors import CheckpointError
from . import names
from .family import Family, Tensors, Translation, has_key, renamed

# What its configs/yolact have in common; the backbone and the classes are the file's. Its ratios are height / width.
CONFIG = ModelConfig(
    name="mmdet_yolact",
    aspect_ratios=(2, 1, 0.5),
    square_anchors=False,
    fpn_relu=False,
    fpn_extra_from="C5",
)
_HEAD = "prediction_layers.0."
_CLASSES = f"{_HEAD}conf_layer."
_RENAMED = (
    *((rf"backbone\.layer{stage + 1}\.", f"backbone.layers.{stage}.") for stage in range(4)),
    # Levels come finest first, officially deepest first.
    *((rf"neck\.lateral_convs\.{level}\.conv\.", f"fpn.lat_layers.{2 - level}.") for level in range(3)),
    *((rf"neck\.fpn_convs\.{level}\.conv\.", f"fpn.pred_layers.{2 - level}.") for level in range(3)),
    *((rf"neck\.fpn_convs\.{level + 3}\.conv\.", f"fpn.downsample_layers.{level}.") for level in range(5)),
    (r"bbox_head\.head_convs\.0\.conv\.", f"{_HEAD}upfeature.0."),
    (r"bbox_head\.conv_cls\.", _CLASSES),
    (r"bbox_head\.conv_reg\.", f"{_HEAD}bbox_layer."),
    (r"bbox_head\.conv_coeff\.", f"{_HEAD}mask_layer."),
    (r"mask_head\.protonet\.", "proto_net."),
    (r"(?:mask_head\.segm_branch|segm_head)\.segm_conv\.", "semantic_seg_conv."),
)
_ANCHORS = len(CONFIG.aspect_ratios)


def _recognises(tensors: Tensors) -> bool:
    return has_key(tensors, "bbox_head.conv_coeff.")


def _translate(tensors: Tensors, path: Path) -> Translation:
    if has_key(tensors, "bbox_head.head_convs.1."):
        raise CheckpointError(f"{path.name}: a head of several layers (num_head_convs) is not read: train with 1")
    official = renamed(tensors, _RENAMED, path)
    _check_outputs(official, path)
    for kind in ("weight", "bias"):
        key = f"{_CLASSES}{kind}"
        if key in official:
            official[key] = _background_first(official[key])
    return Translation(official, (), ())


def _check_outputs(official: Tensors, path: Path) -> None:
    """Raise CheckpointError for options of the head that change its outputs."""
    boxes, classes, segmentation = (
        _count(official, key) for key in (f"{_HEAD}bbox_layer.weight", f"{_CLASSES}weight", "semantic_seg_conv.weight")
    )
    if boxes and boxes != 4 * _ANCHORS:
        raise CheckpointError(
            f"{path.name}: {boxes // 4} anchors per cell are not read: train with one scale (scales_per_octave) and "
            f"{_ANCHORS} ratios"
        )
    if segmentation and classes == _ANCHORS * segmentation:
        raise CheckpointError(f"{path.name}: trained with use_sigmoid=True, which is not read: train with softmax")


def _count(tensors: Tensors, key: str) -> int:
    """Filters of a layer, 0 where there are none."""
    tensor = tensors.get(key)
    return 0 if tensor is None or tensor.dim() == 0 else tensor.shape[0]


def _background_first(layer: torch.Tensor) -> torch.Tensor:
    """Filters or biases [A*(C+1),...] with each anchor's last one, of the background, moved to the front."""
    if layer.dim() == 0 or layer.shape[0] % _ANCHORS:
        return layer  # no such layer has this shape, which is said when shapes are compared
    return layer.unflatten(0, (_ANCHORS, -1)).roll(1, dims=1).flatten(0, 1)


MMDETECTION = Family(
    name="mmdetection",
    option=names.MMDETECTION,
    configurations=(),
    recognises=_recognises,
    translate=_translate,
    lacks="clipping of boxes before suppression and the best 1000 candidates per level",
)
