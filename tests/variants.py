"""Small networks with what the official options allow, beside the options that made them."""

from __future__ import annotations

from typing import Any

from tests.models.naive_network import Options
from yolact_deploy.config.model import ModelConfig

_PAD = {"padding": 1}
_TWICE = [(16, 3, _PAD), (None, -2, {}), (16, 3, _PAD), (None, -2, {}), (8, 1, {})]
_TRANSPOSED = [(16, 3, _PAD), (12, -2, {"stride": 2}), (12, -4, {"stride": 2, "padding": 1}), (8, 3, {"padding": 1})]
_RATIOS = ((1.0, 0.5, 2.0), (1.0,), (0.5, 2.0), (1.0, 3.0), (1.0, 0.5))

FINER, OWN = "several_for_finer_masks", "several_with_own_heads"  # together they have nearly all of the others

# Name -> our fields, the same as official options.
VARIANTS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "basic_blocks": ({"backbone": {"block": "basic", "depths": [2, 1, 2, 1]}},
                     {"is_basic": True, "depths": (2, 1, 2, 1)}),
    "resnext": ({"backbone": {"groups": 4, "width_per_group": 32}}, {"groups": 4}),
    "wide": ({"backbone": {"width_per_group": 128}}, {}),
    "mask_bias": ({"mask_proto_bias": True}, {"mask_proto_bias": True}),
    "masks_of_twice_the_side": ({"mask_proto_net": _TWICE}, {"mask_proto_net": _TWICE}),
    "transposed": ({"mask_proto_net": _TRANSPOSED, "mask_proto_bias": True},
                   {"mask_proto_net": _TRANSPOSED, "mask_proto_bias": True}),
    "no_upsampling": ({"mask_proto_net": [[8, 1, {}]]}, {"mask_proto_net": [(8, 1, {})]}),
    "strided": ({"mask_proto_net": [[16, 5, {"stride": 2, "dilation": 2, "padding": 4}], [None, -3, {}], [8, 1, {}]]},
                {"mask_proto_net": [(16, 5, {"stride": 2, "dilation": 2, "padding": 4}), (None, -3, {}), (8, 1, {})]}),
    "own_heads": ({"share_prediction_module": False}, {"share_prediction_module": False}),
    "own_heads_and_anchors": (
        {"share_prediction_module": False, "aspect_ratios": _RATIOS,
         "scales": [[6, 8], [12], [24, 30], [48], [60]], "square_anchors": False},
        {"share_prediction_module": False},
    ),
    "ratios_per_level": ({"aspect_ratios": [[1, 0.5], [1, 2], [0.5, 2], [1, 3], [1, 4]], "square_anchors": False}, {}),
    "deeper_head": ({"extra_head_net": [[24, 3, _PAD], [20, 1, {}], [12, 5, {"padding": 2}]]},
                    {"extra_head_net": [(24, 3, _PAD), (20, 1, {}), (12, 5, {"padding": 2})]}),
    "no_head_net": ({"extra_head_net": None}, {"extra_head_net": ()}),
    "extra_layers": ({"extra_layers": [0, 1, 2]}, {"extra_layers": (0, 1, 2)}),
    "six_levels": ({"scales": [[6], [12], [24], [48], [60], [90]]}, {"num_downsample": 3}),
    "three_levels": ({"scales": [[6, 9], [12, 18], [24, 36]]}, {"num_downsample": 0}),
    "nearest": ({"fpn_upsample": "nearest"}, {"interpolation_mode": "nearest"}),
    FINER: (
        {"backbone": {"block": "basic"}, "fpn_upsample": "nearest", "mask_proto_net": _TWICE, "extra_layers": [0, 1, 2],
         "scales": [[6], [12], [24], [48], [60], [90]]},
        {"is_basic": True, "interpolation_mode": "nearest", "mask_proto_net": _TWICE, "extra_layers": (0, 1, 2),
         "num_downsample": 3},
    ),
    OWN: (
        {"backbone": {"groups": 4, "width_per_group": 32}, "mask_proto_net": _TRANSPOSED, "mask_proto_bias": True,
         "extra_head_net": [[24, 3, _PAD], [12, 1, {}]], "share_prediction_module": False, "aspect_ratios": _RATIOS,
         "scales": [[6, 8], [12], [24, 30], [48], [60]]},
        {"groups": 4, "mask_proto_net": _TRANSPOSED, "mask_proto_bias": True,
         "extra_head_net": [(24, 3, _PAD), (12, 1, {})], "share_prediction_module": False},
    ),
}  # fmt: skip


def variant_config(name: str) -> ModelConfig:
    """The configuration of a variant: 75 px, 3 classes, 16 channels."""
    fields = VARIANTS[name][0]
    backbone = {"depths": [1, 1, 1, 1], "width": 8, **fields.get("backbone", {})}
    small = {
        "name": name,
        "image_size": 75,  # no multiple of 32: sizes round up
        "num_classes": 3,
        "scales": [[6], [12], [24], [48], [60]],
        "fpn_channels": 16,
        "proto_channels": 16,
        "head_channels": 16,
    }
    prototypes = {} if "mask_proto_net" in fields else {"num_prototypes": 8}
    return ModelConfig.from_dict({**small, **prototypes, **fields, "backbone": backbone})


def variant_options(name: str) -> Options:
    """The same as official options."""
    return Options(**VARIANTS[name][1])
