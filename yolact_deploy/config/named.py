"""Fields of the named configurations: for each what differs from the official `yolact_base`.

Names and values are those of the data/config.py of the official code and of YolactEdge (`yolact_edge*`); values of
`mmdet_yolact*` those of mmdetection's configs/yolact, of `yolact_minimal*` and `yolact_pytorch` those of Yolact_minimal
and yolact-pytorch; the two nano configurations are this project's own.
"""

from __future__ import annotations

from typing import Any

from . import class_names as names
from .backbone import BackboneConfig

_RESNET50 = BackboneConfig(depths=(3, 4, 6, 3))


def _three_scales(scales: tuple[int, ...]) -> tuple[tuple[float, ...], ...]:
    """YOLACT++: each scale and two more, a third of an octave apart."""
    return tuple(tuple(scale * 2 ** (step / 3) for step in range(3)) for scale in scales)


_MASK_IOU_CHANNELS = (8, 16, 32, 64, 128)
_PLUS: dict[str, Any] = {
    "scales": _three_scales((24, 48, 96, 192, 384)),
    "square_anchors": False,
    "mask_iou_channels": _MASK_IOU_CHANNELS,
}
_NANO: dict[str, Any] = {
    "image_size": 256,
    "class_names": names.SHAPES,
    "fpn_channels": 64,
    "proto_channels": 64,
    "head_channels": 64,
}
_MMDETECTION: dict[str, Any] = {
    "aspect_ratios": (2, 1, 0.5),  # its ratios are height / width
    "square_anchors": False,
    "fpn_relu": False,
    "fpn_extra_from": "C5",
}
# yolact-pytorch, and what Yolact_minimal shares with it.
_PYTORCH: dict[str, Any] = {
    "backbone": _RESNET50,
    "image_size": 544,
    "square_anchors": False,
    "fpn_extra_relu": True,
    "fpn_upsample": "nearest",
    "proto_upsample": "nearest",
}
_MINIMAL: dict[str, Any] = {
    **_PYTORCH,
    "resize": "keep_aspect",
    "fpn_upsample": "bilinear",
    "proto_upsample": "align_corners",
}
_VIDEO: dict[str, Any] = {"class_names": names.YOUTUBE_VIS}

NAMED_FIELDS: dict[str, dict[str, Any]] = {
    "yolact_base": {},
    # Anchors in proportion to the image size, truncated to whole pixels.
    "yolact_im400": {"image_size": 400, "scales": ((17,), (34,), (69,), (139,), (279,))},
    "yolact_im700": {"image_size": 700, "scales": ((30,), (61,), (122,), (244,), (488,))},
    "yolact_resnet50": {"backbone": _RESNET50},
    "yolact_darknet53": {"backbone": BackboneConfig(kind="darknet", depths=(1, 2, 8, 8, 4))},
    "yolact_resnet50_pascal": {
        "backbone": _RESNET50,
        "class_names": names.PASCAL,
        "scales": ((32,), (64,), (128,), (256,), (512,)),
        "square_anchors": False,
    },
    "yolact_nano": {
        **_NANO,
        "backbone": BackboneConfig(depths=(2, 2, 2, 2), width=16),
        "scales": ((11,), (22,), (44,), (89,), (178,)),
    },
    "yolact_plus_base": {**_PLUS, "backbone": BackboneConfig(dcn_layers=(0, 4, 23, 3), dcn_interval=3)},
    "yolact_plus_resnet50": {**_PLUS, "backbone": BackboneConfig(depths=(3, 4, 6, 3), dcn_layers=(0, 4, 6, 3))},
    "yolact_plus_nano": {
        **_PLUS,
        **_NANO,
        "backbone": BackboneConfig(depths=(2, 2, 2, 2), width=16, dcn_layers=(0, 2, 2, 2)),
        "scales": _three_scales((11, 22, 44, 89, 178)),
        "mask_iou_channels": _MASK_IOU_CHANNELS[:4],  # small masks: one layer fewer than officially
    },
    "mmdet_yolact_r50": {**_MMDETECTION, "backbone": _RESNET50},
    "mmdet_yolact_r101": _MMDETECTION,
    "yolact_edge": {},
    "yolact_edge_resnet50": {"backbone": _RESNET50},
    "yolact_edge_mobilenetv2": {"backbone": BackboneConfig("mobilenetv2", depths=(1, 2, 3, 4, 3, 3), width=32)},
    "yolact_edge_vid": _VIDEO,
    "yolact_edge_vid_resnet50": {**_VIDEO, "backbone": _RESNET50},
    "yolact_edge_youtubevis": _VIDEO,
    "yolact_edge_youtubevis_resnet50": {**_VIDEO, "backbone": _RESNET50},
    "yolact_minimal_res101": {**_MINIMAL, "backbone": BackboneConfig()},
    "yolact_minimal_res50": _MINIMAL,
    "yolact_minimal_swin_tiny": {**_MINIMAL, "backbone": BackboneConfig("swin", depths=(2, 2, 6, 2), width=96)},
    # The anchors that it is trained with; its own detection takes those of COCO.
    "yolact_minimal_res50_pascal": {
        **_MINIMAL,
        "class_names": names.PASCAL,
        "scales": ((32,), (64,), (128,), (256,), (512,)),
    },
    "yolact_pytorch": _PYTORCH,
}
