"""Options of the official data/config.py as people copy them: where their setting is here, or that there is none."""

from __future__ import annotations

from collections.abc import Iterable

from ..errors import ConfigError

_NAMED_HERE = {
    "pred_scales": "scales",
    "pred_aspect_ratios": "aspect_ratios",
    "use_square_anchors": "square_anchors",
    "max_size": "image_size",
    "mask_dim": "num_prototypes",
    "num_features": "fpn_channels",
    "num_downsample": "scales, one list for each level",
    "interpolation_mode": "fpn_upsample",
    "relu_pred_layers": "fpn_relu",
    "use_maskiou": "mask_iou_channels",
    "maskiou_net": "mask_iou_channels",
}
# What changes what a network gives, at inference.
_NOT_SUPPORTED = frozenset(
    {
        "atrous_layers",
        "head_layer_params",
        "mask_proto_coeff_activation",
        "mask_proto_coeff_gate",
        "mask_proto_grid_file",
        "mask_proto_mask_activation",
        "mask_proto_prototype_activation",
        "mask_proto_prototypes_as_features",
        "mask_proto_split_prototypes_by_head",
        "mask_proto_src",
        "mask_proto_use_grid",
        "mask_size",
        "mask_type",
        "preapply_sqrt",
        "preserve_aspect_ratio",
        "selected_layers",
        "use_conv_downsample",
        "use_focal_loss",
        "use_instance_coeff",
        "use_mask_scoring",
        "use_objectness_score",
        "use_pixel_scales",
        "use_prediction_module",
        "use_sigmoid_focal_loss",
        "use_yolo_regressors",
    }
)


def check_official_options(names: Iterable[object]) -> None:
    """Raises ConfigError for the first of `names` that is an official option, and no setting of ours."""
    for name in names:
        if name in _NAMED_HERE:
            raise ConfigError(f"{name}: an option of the official code that is called {_NAMED_HERE[name]} here")
        if name in _NOT_SUPPORTED:
            raise ConfigError(
                f"{name}: an option of the official code that is not supported; leave it out where it is the default"
            )
