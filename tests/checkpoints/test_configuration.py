"""Which configuration a checkpoint has: by its name, by its tensors, and what is said of it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests.checkpoints.files import refused, save, small_config, zeros
from tests.conftest import PLUS_NANO_WEIGHTS, seeded_state_dict
from yolact_deploy.checkpoints.architecture import Architecture
from yolact_deploy.checkpoints.reader import read_checkpoint
from yolact_deploy.config.model import NAMED_CONFIGS, BackboneConfig, ModelConfig
from yolact_deploy.errors import AssumptionWarning
from yolact_deploy.predictor import Predictor

# Expected wherever a file names no configuration; tests that are about it ask for it.
pytestmark = pytest.mark.filterwarnings("ignore::yolact_deploy.errors.AssumptionWarning")


@pytest.mark.parametrize("name", ["yolact_nano_22_4148.pth", "yolact_nano.pth", "yolact_nano_22_4148_interrupt.pth"])
def test_configuration_from_the_file_name(tmp_path: Path, nano_tensors: dict[str, torch.Tensor], name: str) -> None:
    checkpoint = read_checkpoint(save(tmp_path / name, nano_tensors))
    assert checkpoint.config.name == "yolact_nano"
    assert checkpoint.notes == ()


def test_configuration_from_the_tensors(tmp_path: Path, nano_tensors: dict[str, torch.Tensor]) -> None:
    checkpoint = read_checkpoint(save(tmp_path / "best.pth", nano_tensors))
    assert checkpoint.config.name == "yolact_nano"
    assert "assumed yolact_nano" in checkpoint.notes[0]


@pytest.mark.parametrize("name", NAMED_CONFIGS)
def test_every_named_configuration_is_recognised(tmp_path: Path, name: str) -> None:
    config = NAMED_CONFIGS[name]
    tensors = zeros(config)
    assert read_checkpoint(save(tmp_path / f"{name}_54_800000.pth", tensors)).config == config


def test_an_ambiguous_file_is_said(tmp_path: Path) -> None:
    tensors = zeros(ModelConfig.named("yolact_im700"))
    with pytest.warns(AssumptionWarning, match="assumed yolact_base at 550 px"):
        checkpoint = read_checkpoint(save(tmp_path / "mine.pth", tensors))
    assert checkpoint.config.name == "yolact_base"
    assert "also fit yolact_im400, yolact_im700" in checkpoint.notes[0]
    checkpoint = read_checkpoint(save(tmp_path / "yolact_im700_parts_3_400.pth", tensors))
    assert checkpoint.config.name == "yolact_im700"


@pytest.mark.parametrize(
    ("name", "size", "scales", "config_name"),
    [
        ("custom_resnet101_im400_12.pth", 400, (17, 34, 69, 139, 279), "yolact_im400"),
        ("birds_700px.pth", 700, (30, 61, 122, 244, 488), "yolact_im700"),
        ("birds-512x512-final.pth", 512, (22, 44, 89, 178, 357), "yolact_base"),
        ("IM400_best.pth", 400, (17, 34, 69, 139, 279), "yolact_im400"),
        ("claim400_9.pth", 550, (24, 48, 96, 192, 384), "yolact_base"),
        ("epoch_400_9000.pth", 550, (24, 48, 96, 192, 384), "yolact_base"),
        ("im9999.pth", 550, (24, 48, 96, 192, 384), "yolact_base"),
    ],
)
def test_an_image_size_in_the_name_is_used(
    tmp_path: Path, name: str, size: int, scales: tuple[int, ...], config_name: str
) -> None:
    path = save(tmp_path / name, zeros(ModelConfig.named("yolact_base").with_num_classes(3)))
    with pytest.warns(AssumptionWarning, match=f"assumed {config_name} at {size} px"):
        config = read_checkpoint(path).config
    assert (config.name, config.image_size, config.num_classes) == (config_name, size, 3)
    assert tuple(level[0] for level in config.scales) == scales


def test_the_assumption_is_said_where_a_checkpoint_is_run(
    tmp_path: Path, nano_tensors: dict[str, torch.Tensor]
) -> None:
    path = save(tmp_path / "mine_im400.pth", nano_tensors)
    with (
        pytest.warns(AssumptionWarning, match="yolact_nano at 400 px, as the name says, with anchors scaled"),
        Predictor.open(path, device="cpu") as predictor,
    ):
        assert predictor.metadata.config.image_size == 400


def test_a_custom_class_count_needs_no_option(tmp_path: Path) -> None:
    tensors = seeded_state_dict(small_config().with_num_classes(3))
    path = save(tmp_path / "yolact_nano_5_600.pth", tensors)
    for options in ({}, {"num_classes": 3}, {"config": ModelConfig.named("yolact_nano")}):
        checkpoint = read_checkpoint(path, **options)  # type: ignore[arg-type]
        assert checkpoint.config.class_names == ("class 0", "class 1", "class 2")
        assert "has 3 classes, yolact_nano has 6" in checkpoint.notes[0]
    refused(
        path, "checkpoint has 3 classes", "--num-classes says 80", "pass --num-classes 3 or leave it", num_classes=80
    )


def test_class_names_that_a_user_gave_must_fit(tmp_path: Path) -> None:
    path = save(tmp_path / "mine.pth", seeded_state_dict(small_config().with_num_classes(3)))
    config = small_config(class_names=("nut", "bolt"))
    refused(path, "checkpoint has 3 classes, small has 2", config=config)


def test_a_users_own_variant(tmp_path: Path) -> None:
    config = small_config(backbone=BackboneConfig("darknet", (1, 1, 1, 1), 16), head_channels=24, num_prototypes=8)
    path = save(tmp_path / "mine.pth", seeded_state_dict(config))
    assert read_checkpoint(path, config).config == config
    refused(path, "a YOLACT with DarkNet-", "of width 16", "--config FILE", '"num_prototypes": 8')


def test_a_wrong_file_name_or_option_is_said(tmp_path: Path, nano_tensors: dict[str, torch.Tensor]) -> None:
    path = save(tmp_path / "yolact_base_54_800000.pth", nano_tensors)
    refused(path, "the file name says yolact_base", "ResNet-26 of width 16 backbone, not ResNet-101",
            "pass --config yolact_nano")  # fmt: skip
    path = save(tmp_path / "best.pth", nano_tensors)
    refused(path, "yolact_darknet53 was asked for", "not DarkNet-53", config=ModelConfig.named("yolact_darknet53"))


def test_plus_and_plain_are_not_mixed_up(tmp_path: Path, nano_tensors: dict[str, torch.Tensor]) -> None:
    plain = save(tmp_path / "yolact_plus_nano_1_2.pth", nano_tensors)
    refused(plain, "the file name says yolact_plus_nano", "nothing of YOLACT++", "pass --config yolact_nano")
    for name in ("yolact_nano", "yolact_resnet50"):
        refused(PLUS_NANO_WEIGHTS, f"{name} was asked for", "6 deformable convolutions and a mask-IoU net of",
                f"it is a YOLACT++, {name} is a YOLACT", "pass --config yolact_plus_nano",
                config=ModelConfig.named(name))  # fmt: skip


def plus_config(mask_iou_channels: tuple[int, ...] = (8, 16, 32, 64), **backbone: object) -> ModelConfig:
    plus = ModelConfig.named("yolact_plus_nano")
    changed = replace(plus.backbone, **backbone)  # type: ignore[arg-type]
    return replace(plus, name="mine", backbone=changed, mask_iou_channels=mask_iou_channels)


def test_deformable_layers_that_do_not_fit_are_named() -> None:
    config = plus_config(dcn_interval=2)  # the first block of each stage
    refused(PLUS_NANO_WEIGHTS, "deformable convolutions in backbone.layers 1.1, 2.1, 3.1, where mine has plain ones",
            config=config)  # fmt: skip
    refused(PLUS_NANO_WEIGHTS, "plain convolutions in backbone.layers 0.1, where mine has deformable ones",
            config=plus_config(dcn_layers=(1, 2, 2, 2)))  # fmt: skip
    refused(PLUS_NANO_WEIGHTS, "a mask-IoU net of 8-16-32-64 channels, not a mask-IoU net of 8-16-32 channels",
            config=plus_config((8, 16, 32)))  # fmt: skip
    refused(PLUS_NANO_WEIGHTS, "a mask-IoU net of 8-16-32-64 channels, not no mask-IoU net", config=plus_config(()))


@pytest.mark.parametrize(
    "config",
    [
        plus_config(),
        plus_config((4, 8), dcn_interval=2),
        plus_config(()),
        plus_config(depths=(2, 3, 7, 3), dcn_layers=(0, 1, 5, 2), dcn_interval=3),
        plus_config(dcn_layers=()),
    ],
)
def test_a_users_own_plus_is_described_as_it_is_to_be_configured(tmp_path: Path, config: ModelConfig) -> None:
    path = save(tmp_path / "mine.pth", seeded_state_dict(config))
    assert read_checkpoint(path, config).config == config
    found = Architecture.of(torch.load(path, weights_only=True), path)
    hint = ModelConfig.from_dict({"base": "yolact_plus_nano", **json.loads(found.config_hint())})
    assert hint.backbone.deformable_blocks == config.backbone.deformable_blocks
    assert found.differences(hint) == found.differences(config) == []


def test_deformable_layers_that_no_configuration_has(tmp_path: Path) -> None:
    tensors = seeded_state_dict(plus_config(depths=(2, 3, 3, 2)))
    for part in ("weight", "bias"):
        del tensors[f"backbone.layers.1.1.conv2.conv_offset_mask.{part}"]
        del tensors[f"backbone.layers.2.2.conv2.conv_offset_mask.{part}"]
    path = save(tmp_path / "yolact_plus_nano_1_2.pth", tensors)
    refused(path, "deformable convolutions in backbone.layers 1.2, 2.1, 3.0, 3.1: no dcn_layers and dcn_interval")
