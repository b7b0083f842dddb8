"""Checkpoints that were trained with other options of the official code: found from their tensors, or named."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.checkpoints.files import save, zeros
from tests.conftest import seeded_state_dict
from tests.variants import VARIANTS, variant_config
from yolact_deploy.checkpoints.reader import read_checkpoint
from yolact_deploy.config.backbone import BackboneConfig
from yolact_deploy.config.layers import Layer
from yolact_deploy.config.model import ModelConfig
from yolact_deploy.errors import AssumptionWarning, CheckpointError

pytestmark = pytest.mark.filterwarnings("ignore::yolact_deploy.errors.AssumptionWarning")

CONV = Layer(256, 3, padding=1)
HEAD = "prediction_layers.0."
TWICE = (CONV, CONV, CONV, Layer(None, -2), CONV, Layer(None, -2), CONV, Layer(32, 1))
RESNETS = {
    "ResNet-18": {"depths": (2, 2, 2, 2), "block": "basic"},
    "ResNet-34": {"depths": (3, 4, 6, 3), "block": "basic"},
    "ResNet-152": {"depths": (3, 8, 36, 3)},
    "ResNeXt-50 32x4d": {"depths": (3, 4, 6, 3), "groups": 32, "width_per_group": 4},
    "ResNeXt-101 64x4d": {"depths": (3, 4, 23, 3), "groups": 64, "width_per_group": 4},
    "wide ResNet-50 (128)": {"depths": (3, 4, 6, 3), "width_per_group": 128},
}


def refusal(path: Path, config: ModelConfig | None = None) -> str:
    """The one line that `path` is refused with."""
    with pytest.raises(CheckpointError) as caught:
        read_checkpoint(path, config)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("name", VARIANTS)
def test_a_variant_is_read_with_its_configuration(tmp_path: Path, name: str) -> None:
    config = variant_config(name)
    weights = seeded_state_dict(config)
    checkpoint = read_checkpoint(save(tmp_path / "mine.pth", weights), config)
    assert checkpoint.config == config
    assert set(checkpoint.build().state_dict()) == set(weights)


@pytest.mark.parametrize("name", RESNETS)
def test_another_resnet_is_found(tmp_path: Path, name: str) -> None:
    backbone = BackboneConfig(**RESNETS[name])  # type: ignore[arg-type]
    assert backbone.describe() == name
    path = save(tmp_path / "yolact_mine_12_3000.pth", zeros(replace(ModelConfig(), backbone=backbone)))
    with pytest.warns(AssumptionWarning, match="what its tensors tell, which is taken: a "):
        checkpoint = read_checkpoint(path)
    assert checkpoint.config == replace(ModelConfig(), backbone=backbone)
    assert any(name in note for note in checkpoint.notes)


@pytest.mark.parametrize(
    "changes",
    [
        {"num_prototypes": 16},
        {"proto_channels": 128},
        {"mask_proto_bias": True},
        {"mask_proto_net": TWICE},
        {"mask_proto_net": (CONV, Layer(256, -2, stride=2), Layer(64, 3, padding=1)), "num_prototypes": 64},
        {"extra_head_net": (CONV, CONV)},
        {"extra_head_net": ()},
        {"extra_layers": (1, 0, 2)},
        {"share_prediction_module": False},
        {"mask_proto_net": TWICE, "extra_layers": (1, 1, 1), "mask_proto_bias": True},
    ],
)
def test_other_nets_are_found(tmp_path: Path, changes: dict[str, Any]) -> None:
    config = replace(ModelConfig.named("yolact_resnet50"), **changes)
    name = "best.pth" if len(changes) > 2 else "yolact_resnet50_9_1000.pth"
    with pytest.warns(AssumptionWarning, match="differs from yolact_resnet50 in what its tensors tell"):
        checkpoint = read_checkpoint(save(tmp_path / name, zeros(config)))
    assert checkpoint.config == config
    (note,) = (note for note in checkpoint.notes if "what its tensors tell" in note)
    assert all(setting in note or setting in ("num_prototypes", "proto_channels") for setting in changes)


def test_what_a_configuration_says_of_strides_is_kept(tmp_path: Path) -> None:
    """Its tensors are those of a net of stride 1 and an upsampling by two."""
    net = (Layer(256, 3, stride=2, padding=1), Layer(None, -4), Layer(32, 1), Layer(None, -2))
    config = replace(ModelConfig(), name="mine", mask_proto_net=net)
    assert read_checkpoint(save(tmp_path / "mine.pth", zeros(config)), config).config == config


def test_a_configuration_that_does_not_fit_is_answered_with_one_that_does(tmp_path: Path) -> None:
    path = save(tmp_path / "mine.pth", zeros(replace(ModelConfig(), mask_proto_net=TWICE, mask_proto_bias=True)))
    message = refusal(path, ModelConfig())
    assert 'mask_proto_net [[256, 3, {"padding": 1}]' in message
    assert "mask_proto_bias true, not false" in message
    assert '"mask_proto_bias": true' in message


def test_other_anchors_are_for_the_user_to_say(tmp_path: Path) -> None:
    config = replace(ModelConfig(), aspect_ratios=(1, 2), name="mine")
    path = save(tmp_path / "mine.pth", zeros(config))
    assert "scales and aspect_ratios that make 2 anchors per cell on 5 levels" in refusal(path)
    assert read_checkpoint(path, config).config == config


def test_three_extra_levels_are_read_with_their_scales(tmp_path: Path) -> None:
    config = replace(ModelConfig(), scales=(*ModelConfig().scales, (768,)), name="mine")
    checkpoint = read_checkpoint(save(tmp_path / "mine.pth", zeros(config)), config)
    assert checkpoint.notes == checkpoint.dropped_keys == ()


def without(tensors: dict[str, torch.Tensor], *starts: str) -> dict[str, torch.Tensor]:
    return {key: value for key, value in tensors.items() if not key.startswith(starts)}


def layer(out: int, inside: int, kernel: int = 3) -> dict[str, torch.Tensor]:
    zero = torch.zeros(())
    return {"weight": zero.expand(out, inside, kernel, kernel), "bias": zero.expand(out)}


def with_layer(tensors: dict[str, torch.Tensor], name: str, *sizes: int) -> dict[str, torch.Tensor]:
    return {**tensors, **{f"{name}.{part}": value for part, value in layer(*sizes).items()}}


@pytest.mark.parametrize(
    ("change", "option"),
    [
        (lambda t: with_layer(t, f"{HEAD}block.conv1", 64, 256, 1), "use_prediction_module"),
        (lambda t: with_layer(t, f"{HEAD}gate_layer", 96, 256), "mask_proto_coeff_gate"),
        (lambda t: with_layer(t, f"{HEAD}score_layer", 3, 256), "use_mask_scoring"),
        (lambda t: with_layer(t, f"{HEAD}inst_layer", 192, 256), "use_instance_coeff"),
        (lambda t: with_layer(without(t, "proto_net.6."), "proto_net.6.nets.0.0", 64, 256), "'cat'"),
        (lambda t: with_layer(t, "proto_net.0", 256, 264), "mask_proto_use_grid = True (8 grids)"),
        (lambda t: with_layer(t, "proto_net.0", 256, 3), "mask_proto_src"),
        (lambda t: with_layer(t, f"{HEAD}upfeature.0", 256, 288), "mask_proto_prototypes_as_features"),
        (lambda t: with_layer(t, f"{HEAD}mask_layer", 18, 256), "mask_proto_split_prototypes_by_head"),
        (lambda t: with_layer(without(t, "proto_net."), f"{HEAD}mask_layer", 768, 256), "mask_type.direct"),
        (lambda t: with_layer(t, "proto_net.11", 32, 32), "mask_proto_net"),
        (lambda t: with_layer(t, "proto_net.4000", 32, 32), "mask_proto_net"),
    ],
)
def test_options_that_are_not_supported_are_named(tmp_path: Path, change: Any, option: str) -> None:
    message = refusal(save(tmp_path / "yolact_base_1_2.pth", change(zeros(ModelConfig()))))
    assert option in message
    assert "ResNet-101" in message  # what it looks like
    assert "--config" not in message  # none would help


def test_backbones_that_are_not_supported_are_named(tmp_path: Path) -> None:
    plain = zeros(ModelConfig())
    norms = {key: value for key, value in plain.items() if "running_" not in key and "num_batches" not in key}
    assert "group normalisation" in refusal(save(tmp_path / "a.pth", norms))
    vgg = with_layer(without(plain, "backbone."), "backbone.layers.0.0", 64, 3)
    assert "vgg16" in refusal(save(tmp_path / "b.pth", vgg))


def test_a_head_that_lacks_a_level_is_said(tmp_path: Path) -> None:
    tensors = zeros(replace(ModelConfig(), share_prediction_module=False))
    assert "missing" in refusal(save(tmp_path / "a.pth", without(tensors, "prediction_layers.2.")))
    assert "use_conv_downsample" in refusal(save(tmp_path / "c.pth", without(tensors, "fpn.downsample_layers.")))
    assert "4 levels" in refusal(save(tmp_path / "b.pth", without(tensors, "prediction_layers.4.")))
