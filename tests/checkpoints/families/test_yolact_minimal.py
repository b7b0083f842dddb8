"""Yolact_minimal and yolact-pytorch: told apart, renamed, and with the outputs of their own code."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.checkpoints.families.golden import FAMILIES, assert_raw_outputs, seeded_checkpoint
from tests.checkpoints.files import refused, save, zeros
from tests.conftest import PHOTOGRAPHS
from tests.seeded_raw import seeded_raw
from yolact_deploy.checkpoints.reader import Checkpoint, read_checkpoint
from yolact_deploy.config.class_names import PASCAL
from yolact_deploy.config.model import ModelConfig
from yolact_deploy.config.postprocess import PostprocessConfig
from yolact_deploy.errors import AssumptionWarning
from yolact_deploy.models.swin import _relative_position_index
from yolact_deploy.ops.boxes import make_priors
from yolact_deploy.ops.postprocess import detect, reference_detections
from yolact_deploy.ops.preprocess import preprocess, preprocess_numpy
from yolact_deploy.types import Image, RawOutputs

GOLDEN = {
    "minimal_res50": "yolact_minimal_res50",
    "minimal_swin_tiny": "yolact_minimal_swin_tiny",
    "bubbliiiing_r50": "yolact_pytorch",
}
OPTIONS = {"yolact_pytorch": "yolact-pytorch"}


def own_keys(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Official keys -> those of Yolact_minimal, without what only training needs."""
    found = {}
    for key, tensor in tensors.items():
        part, _, rest = key.partition(".")
        pieces = rest.split(".")
        if part == "fpn" and pieces[0] != "downsample_layers":
            pieces[1] = str(2 - int(pieces[1]))
        if part == "fpn" and pieces[0] != "lat_layers":
            pieces.insert(2, "0")
        if part == "proto_net":
            layer = int(pieces[0])
            pieces[:1] = ["proto1", str(layer)] if layer < 8 else ["proto2", str(layer - 8)]
        if part == "prediction_layers":
            pieces = ["coef_layer", "0", *pieces[2:]] if pieces[1] == "mask_layer" else pieces[1:]
        found[".".join((part, *pieces))] = tensor
    return {key: tensor for key, tensor in found.items() if not key.startswith("semantic_seg_conv.")}


def with_segmentation(tensors: dict[str, torch.Tensor], classes: int = 80) -> dict[str, torch.Tensor]:
    """As a checkpoint of training has it."""
    shapes = {"weight": (classes, 256, 1, 1), "bias": (classes,)}
    return tensors | {f"semantic_seg_conv.{kind}": torch.zeros(()).expand(shape) for kind, shape in shapes.items()}


def resnet50(num_classes: int = 80) -> dict[str, torch.Tensor]:
    return own_keys(zeros(ModelConfig.named("yolact_minimal_res50").with_num_classes(num_classes)))


def read_golden(name: str, folder: Path) -> Checkpoint:
    tensors = seeded_checkpoint(name)
    for key in tensors:
        if key.endswith("relative_position_index"):
            tensors[key] = _relative_position_index()
    path = save(folder / "weights.pth", tensors)
    return read_checkpoint(path, family=OPTIONS.get(GOLDEN[name]))


@pytest.mark.parametrize("name", GOLDEN)
@torch.inference_mode()
def test_raw_outputs_are_those_of_its_own_code(name: str, tmp_path: Path, official_photo: Image) -> None:
    golden = dict(np.load(FAMILIES / f"{name}.npz"))
    checkpoint = read_golden(name, tmp_path)
    config = checkpoint.config
    assert config.name == GOLDEN[name]
    if config.name == "yolact_pytorch":  # decodes and resizes with Pillow
        pillow = pytest.importorskip("PIL.Image")
        rgb = pillow.open(PHOTOGRAPHS / "000000391895.jpg").convert("RGB").resize((544, 544), pillow.BICUBIC)
        tensor = preprocess(np.array(rgb)[None, :, :, ::-1].copy(), config)
    else:  # resizes with OpenCV
        tensor = torch.from_numpy(preprocess_numpy(official_photo[None], config))
        torch.testing.assert_close(preprocess(official_photo[None], config), tensor, rtol=0, atol=2e-4)
    np.testing.assert_allclose(tensor.flatten().numpy()[golden["input_index"]], golden["input_sample"], atol=1e-6)
    raw = checkpoint.build()(tensor)
    assert_raw_outputs(raw, golden)
    (found,) = detect(raw, checkpoint.postprocess)
    scores = golden["det_score"] if "det_score" in golden else golden["post_score_box"]
    np.testing.assert_allclose(found.scores.numpy(), scores, atol=1e-5)


def made_up(name: str, config: ModelConfig) -> tuple[RawOutputs, dict[str, np.ndarray], tuple[int, int]]:
    """Raw outputs whose scores are far apart, what its own code makes of them, and the image's size."""
    golden = dict(np.load(FAMILIES / f"{name}.npz"))
    facts = json.loads((FAMILIES / f"{name}.json").read_text())
    priors = make_priors(config)
    arrays = seeded_raw(priors, facts["num_classes"], facts["proto_hw"][0], facts["seed"])
    for key, total in facts["raw_sums"].items():
        assert np.abs(arrays[key]).sum(dtype=np.float64) == pytest.approx(total, rel=1e-9)
    loc, logits, coef, proto = (torch.from_numpy(arrays[key])[None] for key in ("loc", "logits", "coef", "proto"))
    raw = RawOutputs(loc=loc, conf=logits.softmax(-1), coef=coef, proto=proto, priors=torch.from_numpy(priors))
    return raw, golden, tuple(facts["image_hw"])


@torch.inference_mode()
def test_detections_are_those_of_yolact_minimal_one_to_one() -> None:
    config = ModelConfig.named("yolact_minimal_res50")
    raw, golden, size = made_up("minimal_post", config)
    rules = PostprocessConfig(clip_boxes=True)
    (kept,) = detect(raw, rules)
    np.testing.assert_allclose(kept.boxes.numpy(), golden["det_box"], atol=1e-6)
    (found,) = reference_detections(raw, rules, *size, resize=config.resize)
    np.testing.assert_array_equal(found.classes, golden["post_class"])
    np.testing.assert_allclose(found.scores, golden["post_score_box"], atol=1e-6)
    np.testing.assert_array_equal(found.boxes, golden["post_box"])
    assert (found.boxes[:, 3] > size[0]).any()  # in the padding
    np.testing.assert_array_equal(found.masks.sum(axis=(1, 2)), golden["post_mask_area"])


@torch.inference_mode()
def test_detections_are_those_of_yolact_pytorch_but_for_the_edges_of_masks() -> None:
    config = ModelConfig.named("yolact_pytorch")
    raw, golden, size = made_up("bubbliiiing_post", config)
    rules = PostprocessConfig(score_threshold=0.5, iou_threshold=0.3, threshold_per_class=True)  # of its demo
    (found,) = reference_detections(raw, rules, *size)
    np.testing.assert_array_equal(found.classes, golden["post_class"])
    np.testing.assert_allclose(found.scores, golden["post_score_box"], atol=1e-6)
    np.testing.assert_array_equal(found.boxes, np.trunc(golden["post_box"]))


def test_a_file_name_of_its_own_says_the_configuration(tmp_path: Path) -> None:
    path = save(tmp_path / "latest_res50_pascal_12000.pth", with_segmentation(resnet50(20), 20))
    checkpoint = read_checkpoint(path)
    assert checkpoint.config.name == "yolact_minimal_res50_pascal"
    assert checkpoint.config.class_names == PASCAL
    assert checkpoint.config.scales[0] == (32,)
    assert checkpoint.postprocess.clip_boxes
    assert checkpoint.notes == ()


def test_a_resnet101_cannot_be_of_yolact_pytorch(tmp_path: Path) -> None:
    tensors = with_segmentation(own_keys(zeros(ModelConfig.named("yolact_minimal_res101"))))
    path = save(tmp_path / "mine.pth", tensors)
    assert read_checkpoint(path).config.name == "yolact_minimal_res101"
    refused(path, "--family says yolact-pytorch", "Yolact_minimal", family="yolact-pytorch")


@pytest.mark.parametrize("name", ["yolact_weights_coco", "ep050-loss1.234-val_loss1.456", "best_epoch_weights", "mine"])
def test_what_may_be_of_either_has_to_be_said(name: str, tmp_path: Path) -> None:
    path = save(tmp_path / f"{name}.pth", with_segmentation(resnet50()))
    refused(path, "--family yolact-minimal", "--family yolact-pytorch")
    of_minimal, of_pytorch = (read_checkpoint(path, family=f"yolact-{family}") for family in ("minimal", "pytorch"))
    assert (of_minimal.family, of_pytorch.family) == ("Yolact_minimal", "yolact-pytorch")
    assert (of_minimal.config.resize, of_pytorch.config.resize) == ("keep_aspect", "stretch")
    assert (of_minimal.config.proto_upsample, of_pytorch.config.proto_upsample) == ("align_corners", "nearest")
    assert set(of_minimal.state_dict) == set(of_pytorch.state_dict)


def test_of_a_name_and_tensors_that_contradict_each_other_the_tensors_count(tmp_path: Path) -> None:
    path = save(tmp_path / "best_29.1_res101_coco_1000.pth", with_segmentation(resnet50()))
    assert read_checkpoint(path).config.name == "yolact_minimal_res50"


@pytest.mark.parametrize(
    ("missing", "official"),
    [
        ("fpn.pred_layers.0.0.weight", "fpn.pred_layers.2.weight"),
        ("proto_net.proto2.2.weight", "proto_net.10.weight"),
        ("prediction_layers.coef_layer.0.bias", "prediction_layers.0.mask_layer.bias"),
        ("backbone.layers.1.blocks.1.attn.qkv.bias", "backbone.layers.1.blocks.1.attn.qkv.bias"),
    ],
)
def test_a_checkpoint_that_lacks_a_tensor_is_refused(tmp_path: Path, missing: str, official: str) -> None:
    tensors = own_keys(zeros(ModelConfig.named("yolact_minimal_swin_tiny")))
    del tensors[missing]
    refused(save(tmp_path / "best_29.1_swin_tiny_coco_1000.pth", tensors), f"missing keys: {official}")


@pytest.mark.parametrize("part", ["fpn.pred_layers", "proto_net", "prediction_layers"])
def test_a_mixture_with_the_official_code_is_refused(tmp_path: Path, part: str) -> None:
    official = zeros(ModelConfig.named("yolact_minimal_res50"))
    own = own_keys(official)
    mixed = {key: value for key, value in own.items() if not key.startswith(part)}
    mixed |= {key: value for key, value in official.items() if key.startswith(part)}
    refused(save(tmp_path / "latest_res50_coco_1.pth", mixed), "mixes two families")


def test_official_keys_of_a_swin_are_read(tmp_path: Path) -> None:
    """What this project saves of such a model has official keys."""
    config = ModelConfig.named("yolact_minimal_swin_tiny")
    checkpoint = read_checkpoint(save(tmp_path / "swin.pth", zeros(config)))
    assert replace(checkpoint.config, name="") == replace(config, name="")


def test_a_configuration_of_other_rules_is_said(tmp_path: Path) -> None:
    path = save(tmp_path / "latest_res50_coco_1.pth", resnet50())
    with pytest.warns(AssumptionWarning, match="resize stretch, not keep_aspect"):
        read_checkpoint(path, ModelConfig.named("yolact_resnet50"))
    larger = ModelConfig.from_dict({"base": "yolact_minimal_res50", "image_size": 672, "scales": [[9]] * 5})
    assert read_checkpoint(path, larger).notes == ()


def test_a_network_of_another_size_has_the_same_rules(tmp_path: Path) -> None:
    config = replace(ModelConfig.named("yolact_minimal_res50"), fpn_channels=64)
    path = save(tmp_path / "small.pth", own_keys(zeros(config)))
    with pytest.warns(AssumptionWarning, match="assumed 544 px"):
        checkpoint = read_checkpoint(path)
    assert checkpoint.config == replace(config, name="yolact_minimal")
