"""Configurations: round trips, files, and errors that name what would have been right."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT
from yolact_deploy.config.model import NAMED_CONFIGS, BackboneConfig, ModelConfig
from yolact_deploy.config.postprocess import PostprocessConfig
from yolact_deploy.errors import AssumptionWarning, ConfigError

OFFICIAL_PRIORS = {  # of the official code, at the official image sizes
    "yolact_base": 19248,
    "yolact_resnet50": 19248,
    "yolact_darknet53": 19248,
    "yolact_plus_base": 57744,
    "yolact_plus_resnet50": 57744,
    "yolact_plus_nano": 12276,
}


@pytest.mark.parametrize("name", NAMED_CONFIGS)
def test_named_configurations_survive_json(name: str) -> None:
    config = ModelConfig.named(name)
    assert ModelConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config
    assert ModelConfig.named(f"{name}_config") is config


@pytest.mark.parametrize(("name", "priors"), OFFICIAL_PRIORS.items())
def test_number_of_priors(name: str, priors: int) -> None:
    assert ModelConfig.named(name).num_priors == priors


def test_postprocess_survives_json() -> None:
    config = PostprocessConfig(0.1, 0.6, 50, 20, True)
    assert PostprocessConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


def test_an_unknown_name_is_answered_with_the_valid_ones() -> None:
    with pytest.raises(ConfigError, match="did you mean yolact_resnet50") as caught:
        ModelConfig.named("yolact_resnet5O")
    assert all(name in str(caught.value) for name in NAMED_CONFIGS)


def test_an_unknown_field_is_answered_with_the_valid_ones() -> None:
    with pytest.raises(ConfigError, match="unknown field 'image_sise'") as caught:
        ModelConfig.from_dict({"image_sise": 300})
    assert "image_size" in str(caught.value)
    with pytest.raises(ConfigError, match=r"unknown field 'depth'.*depths"):
        ModelConfig.from_dict({"backbone": {"depth": [1, 1, 1]}})


def test_base_gives_the_rest() -> None:
    config = ModelConfig.from_dict({"base": "yolact_resnet50", "num_prototypes": 64, "backbone": {"width": 32}})
    assert config.backbone == BackboneConfig(depths=(3, 4, 6, 3), width=32)
    resnet50 = ModelConfig.named("yolact_resnet50")
    assert config == dataclasses.replace(resnet50, num_prototypes=64, backbone=config.backbone)


def test_another_image_size_scales_the_anchors_as_the_official_configurations_do() -> None:
    """int(scale / 550 * size), as yolact_im400 and yolact_im700 have it."""
    for size in (400, 700):
        with pytest.warns(AssumptionWarning, match=f"image_size {size} without scales"):
            config = ModelConfig.from_dict({"base": "yolact_base", "image_size": size})
        assert config.scales == tuple((int(scale / 550 * size),) for scale in (24, 48, 96, 192, 384))
        assert config.scales == ModelConfig.named(f"yolact_im{size}").scales
    assert ModelConfig.named("yolact_nano").with_image_size(32).scales == ((1,), (2,), (5,), (11,), (22,))


def test_scales_and_the_size_of_the_base_are_kept(recwarn: pytest.WarningsRecorder) -> None:
    scales = [[10], [20], [40], [80], [160]]
    assert ModelConfig.from_dict({"image_size": 400, "scales": scales}).scales == tuple(map(tuple, scales))
    assert ModelConfig.from_dict({"image_size": 550}) == ModelConfig()
    assert not recwarn.list


def test_num_classes_without_names() -> None:
    config = ModelConfig.from_dict({"num_classes": 3})
    assert config.class_names == ("class 0", "class 1", "class 2")
    assert config.has_generic_names
    with pytest.raises(ConfigError, match="num_classes is 3, class_names has 2"):
        ModelConfig.from_dict({"num_classes": 3, "class_names": ["a", "b"]})


@pytest.mark.parametrize(
    "values",
    [
        {"image_size": "550"},
        {"image_size": 550.0},
        {"image_size": True},
        {"image_size": 8},
        {"square_anchors": 1},
        {"class_names": "person"},
        {"class_names": [1, 2]},
        {"class_names": []},
        {"scales": [24, 48, 96]},
        {"scales": [[24], [48], [96, 100]]},
        {"scales": [[24], [48], [-96]]},
        {"scales": [[24], [48]]},
        {"aspect_ratios": []},
        {"num_prototypes": 0},
        {"backbone": "resnet50"},
        {"backbone": {"kind": "vgg"}},
        {"backbone": {"depths": [1, 1]}},
        {"backbone": {"kind": "mobilenetv2"}},
        {"fpn_extra_from": "C4"},
        {"backbone": {"width": 3}},
        {"backbone": {"dcn_layers": [0, 4, 23]}},
        {"backbone": {"dcn_layers": [0, 4, 24, 3]}},
        {"backbone": {"dcn_layers": [0, 4, 23, -1]}},
        {"backbone": {"dcn_layers": 3}},
        {"backbone": {"dcn_interval": 0}},
        {"backbone": {"kind": "darknet", "depths": [1, 1, 1, 1], "dcn_layers": [0, 1, 1, 1]}},
        {"mask_iou_channels": [8, 0]},
        {"mask_iou_channels": [8] * 7},
        {"base": "yolo"},
        {"num_classes": "three"},
        {"num_classes": True},
        {"num_classes": 0},
        {"name": None},
        {"name": "x" * 300},
        {"class_names": ["x" * 300]},
        {"num_classes": 10**11},
        {"num_classes": 10**400},
        {"scales": [[float("nan")]] * 5},
        {"scales": [[float("inf")]] * 5},
        {"scales": [[10**400]] * 5},
        {"scales": [[24]] * 100},
        {"aspect_ratios": [1] * 10_000},
        {"fpn_channels": 10**9},
        {"num_prototypes": 10**9},
        {"mask_iou_channels": [10**9]},
        {"mask_iou_channels": [8] * 10**6},
        {"backbone": {"depths": [10**9] * 4}},
        {"backbone": {"depths": [1] * 1000}},
        {"backbone": {"width": 2**40}},
        {"backbone": None},
    ],
)
def test_wrong_values_are_refused(values: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        ModelConfig.from_dict(values)


@pytest.mark.parametrize(
    "values", [{"score_threshold": 1.5}, {"iou_threshold": -0.1}, {"top_k": 0}, {"max_detections": 5000}, {"top": 1}]
)
def test_wrong_postprocessing_is_refused(values: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        PostprocessConfig.from_dict(values)


def test_files_in_json_and_yaml_say_the_same(tmp_path: Path) -> None:
    values = {"base": "yolact_nano", "class_names": ["cat", "dog"], "scales": [[10], [20], [40], [80], [160]]}
    (tmp_path / "pets.json").write_text(json.dumps(values))
    (tmp_path / "pets.yaml").write_text(
        """\
base: yolact_nano
class_names: [cat, dog]
scales:  # one list a level
- [10]
- [20]
- [40]
- [80]
- [160]
"""
    )
    from_json = ModelConfig.from_file(tmp_path / "pets.json")
    assert from_json == ModelConfig.from_file(tmp_path / "pets.yaml")
    assert from_json.name == "pets"
    assert from_json.class_names == ("cat", "dog")


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.json", None, "cannot read"),
        ("a.json", "{", "not valid JSON"),
        ("a.json", "[1]", "mapping"),
        ("a.json", '{"image_size": "x"}', "image_size"),
        ("a.yaml", "a: [", "not valid YAML"),
        ("a.yaml", "", "mapping"),
        ("a.yaml", "- 1", "mapping"),
    ],
)
def test_bad_files_are_named_in_one_line(tmp_path: Path, name: str, content: str | None, reason: str) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_text(content)
    with pytest.raises(ConfigError, match=reason) as caught:
        ModelConfig.from_file(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.json", '{"scales": [[NaN]]}', "NaN"),
        ("a.json", '{"scales": [[1e999]]}', "infinite"),
        ("a.json", f'{{"image_size": {10**400}}}', "64 bits"),
        ("a.json", f'{{"image_size": {"9" * 5000}}}', "valid JSON"),
        ("a.json", "[" * 100_000, "nested"),
        ("a.json", f'{{"scales": {"[" * 40}1{"]" * 40}}}', "nested"),
        ("a.json", '{"class_names": ["\\ud800"]}', "surrogate"),
        ("a.json", '{"class_names": ["' + "x" * 300_000 + '"]}', "more than 262144 bytes"),
        ("a.yaml", "class_names: [&a [x, x], *a]", "aliases"),
        ("a.yaml", "class_names: &a [*a]", "aliases"),
        ("a.yaml", "a: " + "[" * 20_000, "YAML"),
        ("a.yaml", "image_size: 2001-99-99", "YAML"),
        ("a.yaml", "a: !!bool maybe", "YAML"),
        ("a.yaml", "scales: [[.nan]]", "NaN"),
        ("a.yaml", "? [1, 2]\n: 3", "a.yaml"),
    ],
)
def test_what_would_take_memory_or_the_stack_is_refused(tmp_path: Path, name: str, content: str, reason: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(ConfigError, match=reason) as caught:
        ModelConfig.from_file(tmp_path / name)
    assert len(str(caught.value)) < 600


def test_other_classes() -> None:
    config = ModelConfig.named("yolact_nano")
    assert config.with_num_classes(6) is config
    assert config.with_num_classes(2).class_names == ("class 0", "class 1")
    assert config.with_class_names(tuple("abcdef")).num_classes == 6
    with pytest.raises(ConfigError, match="2 class names given, the model has 6"):
        config.with_class_names(("a", "b"))


@pytest.mark.parametrize(
    ("name", "description"),
    [
        ("yolact_base", "ResNet-101"),
        ("yolact_resnet50", "ResNet-50"),
        ("yolact_darknet53", "DarkNet-53"),
        ("yolact_nano", "ResNet-26 of width 16"),
    ],
)
def test_backbones_have_their_usual_names(name: str, description: str) -> None:
    assert ModelConfig.named(name).backbone.describe() == description


def test_placement_of_the_deformable_convolutions() -> None:
    """Every third block from the second stage on in ResNet-101, every block in ResNet-50."""
    base = ModelConfig.named("yolact_plus_base").backbone.deformable_blocks
    assert base == ((1, 0), (1, 3), *((2, block) for block in range(0, 23, 3)), (3, 0))
    assert len(base) == 11
    resnet50 = ModelConfig.named("yolact_plus_resnet50").backbone.deformable_blocks
    assert len(resnet50) == 13
    some = BackboneConfig(depths=(3, 4, 6, 3), dcn_layers=(0, 2, 3, 0), dcn_interval=2).deformable_blocks
    assert some == ((1, 2), (2, 4))


def test_what_makes_a_yolact_plus() -> None:
    assert [name for name, config in NAMED_CONFIGS.items() if config.is_plus] == [
        "yolact_plus_base",
        "yolact_plus_resnet50",
        "yolact_plus_nano",
    ]
    assert ModelConfig.from_dict({"base": "yolact_nano", "mask_iou_channels": [8]}).is_plus
    assert ModelConfig.from_dict({"base": "yolact_nano", "backbone": {"dcn_layers": [0, 0, 0, 1]}}).is_plus


@pytest.mark.parametrize("cls", [ModelConfig, BackboneConfig, PostprocessConfig])
def test_every_setting_is_documented(cls: type) -> None:
    text = (ROOT / "docs/configuration.md").read_text(encoding="utf-8")
    prefix = "backbone." if cls is BackboneConfig else ""
    for field in dataclasses.fields(cls):
        assert f"`{prefix}{field.name}" in text
