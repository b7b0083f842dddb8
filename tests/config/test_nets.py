"""Nets and anchors in the official syntax: what they mean, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from yolact_deploy.config.layers import Layer, output_sizes, parse_layers
from yolact_deploy.config.model import ModelConfig
from yolact_deploy.errors import ConfigError
from yolact_deploy.models.layers import make_net

PAD = {"padding": 1}
OFFICIAL = [[256, 3, PAD]] * 3 + [[None, -2, {}], [256, 3, PAD], [32, 1, {}]]


@pytest.mark.parametrize(
    "layers",
    [
        OFFICIAL,
        [[8, 3, {}], [8, 4, {"stride": 3, "padding": 2}], [8, 3, {"dilation": 2}]],
        [[8, -2, {"stride": 2}], [8, -3, {"stride": 2, "padding": 1, "output_padding": 1}], [8, -5, {"dilation": 2}]],
        [[None, -3, {}], [8, 1, {}], [None, -1, {}]],
    ],
)
def test_sizes_are_those_that_pytorch_gives(layers: list[Any]) -> None:
    parsed = parse_layers("mask_proto_net", layers)
    x, sizes = torch.zeros(1, 4, 17, 17), []
    for module in make_net(parsed, 4)[::2]:
        x = module(x)
        sizes.append(x.shape[-1])
    assert output_sizes(parsed, 17) == sizes


def test_the_defaults_in_their_plainest_form() -> None:
    """So that a configuration with the official text equals the named one, and finds its checkpoints."""
    official = {"mask_proto_net": OFFICIAL, "extra_head_net": [[256, 3, PAD]], "aspect_ratios": [[[1, 0.5, 2]]] * 5}
    assert ModelConfig.from_dict(official) == ModelConfig()
    wide = ModelConfig.from_dict({"mask_proto_net": [[64, 3, PAD]] * 3 + [[None, -2, {}], [64, 3, PAD], [16, 1, {}]]})
    assert (wide.mask_proto_net, wide.proto_channels, wide.num_prototypes) == ((), 64, 16)
    assert not {"mask_proto_net", "extra_head_net"} & set(ModelConfig().to_dict())


def test_no_head_net_is_not_the_default_one() -> None:
    for nothing in (None, []):
        config = ModelConfig.from_dict({"extra_head_net": nothing, "fpn_channels": 64})
        assert (config.head_layers, config.branch_channels) == ((), 64)
    assert ModelConfig().head_layers == (Layer(256, 3, padding=1),)


def test_a_mask_bias_is_one_more_coefficient() -> None:
    config = ModelConfig.from_dict({"mask_proto_bias": True})
    assert (config.num_prototypes, config.num_coefs) == (32, 33)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"mask_proto_net": []}, "one convolution at least"),
        ({"mask_proto_net": None}, "one convolution at least"),
        ({"mask_proto_net": [[None, -2, {}]]}, "one convolution at least"),
        ({"mask_proto_net": "256"}, "a list"),
        ({"mask_proto_net": 3}, "a list"),
        ({"mask_proto_net": [256, 3, {}]}, "a layer is"),
        ({"mask_proto_net": [[256, 3]]}, "a layer is"),
        ({"mask_proto_net": [[256, 3, 1]]}, "a layer is"),
        ({"mask_proto_net": [[256.0, 3, {}]]}, "whole numbers"),
        ({"mask_proto_net": [[256, True, {}]]}, "whole numbers"),
        ({"mask_proto_net": [[256, 3, {"padding": "1"}]]}, "whole numbers"),
        ({"mask_proto_net": [[256, 3, {"padding": None}]]}, "whole numbers"),
        ({"mask_proto_net": [[256, 3, {"groups": 2}]]}, "unknown option 'groups'"),
        ({"mask_proto_net": [["cat", [], {}]]}, "'cat'"),
        ({"mask_proto_net": [["dog", [], {}]]}, "whole numbers"),
        ({"mask_proto_net": [[0, 3, {}]]}, "channels between"),
        ({"mask_proto_net": [[10**9, 3, {}]]}, "channels between"),
        ({"mask_proto_net": [[8, 0, {}]]}, "kernel"),
        ({"mask_proto_net": [[8, 10**9, {}]]}, "kernel"),
        ({"mask_proto_net": [[8, 3, {"stride": 0}]]}, "stride"),
        ({"mask_proto_net": [[8, 3, {"padding": -1}]]}, "padding"),
        ({"mask_proto_net": [[8, 3, {"output_padding": 1}]]}, "output_padding"),
        ({"mask_proto_net": [[8, -3, {"output_padding": 1}]]}, "output_padding"),
        ({"mask_proto_net": [[8, 3, {}], [None, 2, {}]]}, "upsampling"),
        ({"mask_proto_net": [[8, 3, {}], [None, -99, {}]]}, "upsampling"),
        ({"mask_proto_net": [[8, 3, {}], [None, -2, {"padding": 1}]]}, "upsampling"),
        ({"mask_proto_net": [[8, 3, {}]] * 33}, "at most 32 layers"),
        ({"mask_proto_net": [[8, 3, {"stride": 16}]] * 3}, "between 1 and 4096"),
        ({"mask_proto_net": [[8, 1, {}]] + [[None, -8, {}]] * 3}, "between 1 and 4096"),
        ({"mask_proto_net": [[8, 1, {}]], "num_prototypes": 32}, "ends in 8 channels, num_prototypes is 32"),
        ({"mask_proto_net": OFFICIAL, "num_prototypes": 16}, "32"),
        ({"extra_head_net": [[8, 3, {}]]}, "changes the size"),
        ({"extra_head_net": [[8, 3, {"padding": 1, "stride": 2}]]}, "changes the size"),
        ({"extra_head_net": [[8, 2, {"padding": 1}]]}, "changes the size"),
        ({"extra_head_net": [[None, -2, {}]]}, "changes the size"),
        ({"extra_layers": [1, 1]}, "3 numbers"),
        ({"extra_layers": [1, 1, -1]}, "3 numbers"),
        ({"extra_layers": [0, 0, 10**9]}, "3 numbers"),
        ({"fpn_upsample": "bicubic"}, "bilinear, nearest"),
        ({"aspect_ratios": [[1, 2]] * 4 + [[3, 4]] * 2}, "one list of them for each of the 5 levels"),
        ({"aspect_ratios": [[1], [1], [2], [2], 1]}, "not of type"),
        ({"aspect_ratios": [[1], [1, 2], [1], [1], [1]]}, "share_prediction_module"),
        ({"aspect_ratios": [[1], [], [1], [1], [1]], "share_prediction_module": False}, "above 0"),
        ({"aspect_ratios": [[1], [-1], [1], [1], [1]]}, "above 0"),
        ({"scales": [[24], [48], [96, 100], [192], [384]]}, "share_prediction_module"),
        ({"backbone": {"block": "wide"}}, "bottleneck, basic"),
        ({"backbone": {"block": "basic", "groups": 2}}, "not of basic ones"),
        ({"backbone": {"kind": "darknet", "block": "basic"}}, "not of a darknet"),
        ({"backbone": {"width_per_group": 1, "width": 16}}, "no channels"),
        ({"backbone": {"groups": 0}}, "between 1 and"),
        ({"backbone": {"groups": 32, "width_per_group": 4, "dcn_layers": [0, 4, 23, 3]}}, "deformable"),
        ({"use_yolo_regressors": True}, "use_yolo_regressors: an option of the official code that is not supported"),
        ({"mask_proto_src": 0}, "mask_proto_src"),
        ({"pred_scales": [[24]] * 5}, "pred_scales: an option of the official code that is called scales here"),
        ({"interpolation_mode": "nearest"}, "is called fpn_upsample here"),
    ],
)  # fmt: skip
def test_wrong_values_are_refused_by_name(values: dict[str, Any], reason: str) -> None:
    with pytest.raises(ConfigError) as caught:
        ModelConfig.from_dict(values)
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 900
