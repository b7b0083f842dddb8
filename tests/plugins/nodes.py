"""Nodes as creators see them: what an exporter writes, and what has to be refused with one line."""

from __future__ import annotations

from yolact_deploy.artifacts.operators import FAST_NMS, MASK_ASSEMBLY
from yolact_deploy.config.postprocess import PostprocessConfig
from yolact_deploy.export.graph.domain import PLUGIN_ATTRIBUTES
from yolact_deploy.export.graph.fast_nms import fast_nms_attributes
from yolact_deploy.export.graph.mask_assembly import image_mask_attributes, mask_assembly_attributes

Attributes = dict[str, float | int | str | list[int]]


def own_attributes(attributes: Attributes) -> Attributes:
    """Those of an exported node, without what the parser reads itself."""
    return {name: value for name, value in attributes.items() if name not in PLUGIN_ATTRIBUTES}


def attributes_of(config: PostprocessConfig) -> Attributes:
    """Of an exported node of Fast NMS."""
    return own_attributes(fast_nms_attributes(config))


FAST_NMS_ATTRIBUTES = attributes_of(PostprocessConfig())
OTHER_RULES = PostprocessConfig(
    clip_boxes=True, threshold_per_class=True, candidates_per_level=40, level_priors=(200, 100, 33)
)
GOOD_NODES: list[tuple[str, Attributes]] = [
    (FAST_NMS, FAST_NMS_ATTRIBUTES),
    (FAST_NMS, fast_nms_attributes(PostprocessConfig(cross_class=True))),
    (FAST_NMS, fast_nms_attributes(OTHER_RULES)),
    (MASK_ASSEMBLY, {}),
    (MASK_ASSEMBLY, mask_assembly_attributes()),
    (MASK_ASSEMBLY, {"mask_size": "prototype"}),
    (MASK_ASSEMBLY, image_mask_attributes()),
]
_BAD_CHANGES: list[tuple[dict[str, float | int | str | list[int] | None], str]] = [
    ({"top_k": 0}, "the attribute top_k has to be from 1 to 1024"),
    ({"top_k": 1025}, "the attribute top_k has to be from 1 to 1024"),
    ({"max_detections": -1}, "the attribute max_detections has to be from 1 to 1024"),
    ({"score_threshold": 1.5}, "the attribute score_threshold has to be from 0 to 1"),
    ({"iou_threshold": float("nan")}, "the attribute iou_threshold has to be from 0 to 1"),
    ({"cross_class": 2}, "the attribute cross_class has to be 0 or 1"),
    *(({name: None}, f"the attribute {name} is missing") for name in FAST_NMS_ATTRIBUTES),
    ({"top_k": 200.0}, "the attribute top_k has to be one integer"),
    ({"score_threshold": 1}, "the attribute score_threshold has to be one float"),
    ({"topk": 200}, "the attribute topk is unknown"),
    ({"clip_boxes": 2}, "the attribute clip_boxes has to be 0 or 1"),
    ({"threshold_per_class": -1}, "the attribute threshold_per_class has to be 0 or 1"),
    ({"candidates_per_level": -1, "level_priors": [3]}, "the attribute candidates_per_level has to be from 0 to 65536"),
    ({"candidates_per_level": 9}, "the attribute level_priors has to have from 1 to 8 numbers"),
    (
        {"candidates_per_level": 9, "level_priors": [3, 0]},
        "the attribute level_priors has to hold numbers from 1 to 65536",
    ),
    ({"candidates_per_level": 9, "level_priors": [1] * 9}, "the attribute level_priors has to be 1 to 8 integers"),
    ({"candidates_per_level": 9, "level_priors": "3"}, "the attribute level_priors has to be 1 to 8 integers"),
    ({"candidates_per_level": 9.0}, "the attribute candidates_per_level has to be one integer"),
]
_UNKNOWN_MASK_SIZE = "the attribute mask_size has to be one of prototype, image"
BAD_NODES: list[tuple[str, Attributes, str]] = [  # operator, attributes, the plugin's message
    *(
        (
            FAST_NMS,
            {name: value for name, value in {**FAST_NMS_ATTRIBUTES, **changes}.items() if value is not None},
            text,
        )
        for changes, text in _BAD_CHANGES
    ),
    *((MASK_ASSEMBLY, {"mask_size": value}, _UNKNOWN_MASK_SIZE) for value in ("images", "imag", 1)),
    (MASK_ASSEMBLY, {"padding": 1}, "the attribute padding is unknown"),
]
