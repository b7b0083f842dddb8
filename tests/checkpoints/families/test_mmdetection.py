"""mmdetection: its own outputs, raw and after suppression, and what its files say of themselves."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from tests.checkpoints.families.golden import FAMILIES, assert_raw_outputs, seeded_checkpoint
from tests.checkpoints.families.mmdetection_files import SMALL, TEXT, mmdetection_file, mmdetection_tensors
from tests.checkpoints.files import refused, save
from tests.conftest import seeded_state_dict
from tests.seeded_raw import seeded_raw
from yolact_deploy.checkpoints.families.mmdetection import CONFIG
from yolact_deploy.checkpoints.families.mmdetection_text import RULES
from yolact_deploy.checkpoints.families.recognition import family_of
from yolact_deploy.checkpoints.reader import read_checkpoint
from yolact_deploy.config.model import ModelConfig
from yolact_deploy.errors import AssumptionWarning
from yolact_deploy.models.yolact import Yolact
from yolact_deploy.ops.boxes import make_priors
from yolact_deploy.ops.postprocess import detect, reference_detections
from yolact_deploy.ops.preprocess import preprocess
from yolact_deploy.types import Image, RawOutputs

HEAD = {
    "bbox_head.conv_reg.weight": (12, 256, 3, 3),
    "bbox_head.conv_cls.weight": (3 * 81, 256, 3, 3),
    "bbox_head.conv_coeff.weight": (96, 256, 3, 3),
    "segm_head.segm_conv.weight": (80, 256, 1, 1),
}


def head(**shapes: tuple[int, ...]) -> dict[str, torch.Tensor]:
    """A head with other shapes of the layers named, which takes no room."""
    tensors = {key: torch.zeros(()).expand(shape) for key, shape in HEAD.items()}
    return tensors | {f"bbox_head.{key}.weight": torch.zeros(()).expand(shape) for key, shape in shapes.items()}


@torch.inference_mode()
def test_raw_outputs_are_those_of_mmdetection(official_photo: Image) -> None:
    golden = dict(np.load(FAMILIES / "mmdet_yolact_r50.npz"))
    golden["conf"] = np.roll(golden["conf"], 1, axis=1)  # there background comes last
    config = replace(CONFIG, backbone=ModelConfig.named("yolact_resnet50").backbone)
    stored = seeded_checkpoint("mmdet_yolact_r50")
    model = Yolact(config).eval()
    model.load_state_dict(family_of(stored).translate(stored, Path("weights.pth")).tensors)
    resized = cv2.resize(official_photo, (550, 550), interpolation=cv2.INTER_LINEAR)  # uint8, as it does
    tensor = preprocess(resized[None], config)
    np.testing.assert_allclose(tensor.flatten().numpy()[golden["input_index"]], golden["input_sample"], atol=1e-5)
    assert_raw_outputs(model(tensor), golden)


def test_the_keys_of_2x_and_3x_are_read_alike() -> None:
    new = {"bbox_head.conv_coeff.bias": torch.zeros(96), "mask_head.segm_branch.segm_conv.bias": torch.zeros(80)}
    old = {"bbox_head.conv_coeff.bias": torch.zeros(96), "segm_head.segm_conv.bias": torch.zeros(80)}
    for tensors in (new, old):
        assert "semantic_seg_conv.bias" in family_of(tensors).translate(tensors, Path("x.pth")).tensors


def test_detections_are_those_of_mmdetection_one_to_one() -> None:
    """On made-up raw outputs whose scores are far apart; clipping and the limit of a level each change some."""
    golden = np.load(FAMILIES / "mmdet_post.npz")
    facts = json.loads((FAMILIES / "mmdet_post.json").read_text())
    priors = make_priors(CONFIG)
    arrays = seeded_raw(priors, facts["num_classes"], facts["proto_hw"][0], facts["seed"])
    for name, total in facts["raw_sums"].items():
        assert np.abs(arrays[name]).sum(dtype=np.float64) == pytest.approx(total, rel=1e-8)
    loc, logits, coef, proto = (torch.from_numpy(arrays[name])[None] for name in ("loc", "logits", "coef", "proto"))
    raw = RawOutputs(loc=loc, conf=logits.softmax(-1), coef=coef, proto=proto, priors=torch.from_numpy(priors))
    rules = RULES.for_model(CONFIG)
    (found,) = detect(raw, rules)
    np.testing.assert_array_equal(found.classes.numpy(), golden["det_class"])
    np.testing.assert_allclose(found.scores.numpy(), golden["det_score"], atol=1e-6)
    np.testing.assert_allclose(found.boxes.numpy(), golden["det_box"], atol=1e-5)
    height, width = facts["image_hw"]
    (whole,) = reference_detections(raw, rules, height, width)
    size = np.float32([width, height, width, height])
    np.testing.assert_allclose(found.boxes.numpy() * size, golden["post_box"], atol=1e-3)  # not truncated there
    np.testing.assert_array_equal(whole.classes, golden["post_class"])
    np.testing.assert_allclose(whole.masks.sum(axis=(1, 2)), golden["post_mask_area"], atol=2)


@pytest.mark.parametrize("version", [2, 3])
def test_a_file_says_what_no_tensor_tells(tmp_path: Path, version: int) -> None:
    text = TEXT.replace("base_sizes=[8,", "base_sizes=[9,").replace("score_thr=0.05", "score_thr=0.2")
    checkpoint = read_checkpoint(mmdetection_file(tmp_path / "epoch_12.pth", text, version=version))
    assert checkpoint.family == "mmdetection"
    scales = ((27.0,), *SMALL.scales[1:])
    assert checkpoint.config == replace(SMALL, scales=scales, aspect_ratios=(2.0, 1.0, 0.5))
    assert checkpoint.postprocess == replace(RULES, score_threshold=0.2)
    assert checkpoint.notes == ()
    wanted = seeded_state_dict(SMALL)
    assert set(checkpoint.state_dict) == set(wanted)
    for key, tensor in checkpoint.state_dict.items():
        torch.testing.assert_close(tensor, wanted[key], rtol=0, atol=0)


def test_several_scales_are_put_in_our_order(tmp_path: Path) -> None:
    config = replace(SMALL, scales=tuple((scale, scale * 2**0.5) for (scale,) in SMALL.scales))
    meta = {"cfg": TEXT.replace("scales_per_octave=1", "scales_per_octave=2")}
    path = save(tmp_path / "epoch_1.pth", {"meta": meta, "state_dict": mmdetection_tensors(config)})
    checkpoint = read_checkpoint(path)
    np.testing.assert_allclose(checkpoint.config.scales, config.scales)
    for key, tensor in seeded_state_dict(config).items():
        torch.testing.assert_close(checkpoint.state_dict[key], tensor, rtol=0, atol=0)


def test_averaged_weights_are_taken(tmp_path: Path) -> None:
    """Of 3.x beside the others; of mmcv's hook of 2.x the others stand beside them, under names of their own."""
    path = mmdetection_file(tmp_path / "new.pth", ema_state_dict={"module.x": torch.ones(3)})
    assert read_checkpoint(path).dropped_keys == ()
    others = {"ema_backbone_conv1_weight": torch.zeros(8, 3, 7, 7)}
    content = {"meta": {"config": TEXT}, "state_dict": {**mmdetection_tensors(), **others}}
    checkpoint = read_checkpoint(save(tmp_path / "old.pth", content))
    assert checkpoint.dropped_keys == tuple(others)
    assert "backbone.conv1.weight" in checkpoint.state_dict


@pytest.mark.parametrize(("names", "wanted"), [("nut", ("nut",)), (["nut"], ("nut",)), ((1,), None), (None, None)])
def test_names_of_one_class(tmp_path: Path, names: object, wanted: tuple[str, ...] | None) -> None:
    tensors = mmdetection_tensors(replace(SMALL, class_names=("nut",)))
    meta = {"CLASSES": names, "config": TEXT}
    path = save(tmp_path / "x.pth", {"meta": meta, "state_dict": tensors})
    assert read_checkpoint(path).config.class_names == (wanted or ("class 0",))


@pytest.mark.filterwarnings("ignore::yolact_deploy.errors.AssumptionWarning")
def test_names_of_another_head_are_left_out(tmp_path: Path) -> None:
    checkpoint = read_checkpoint(mmdetection_file(tmp_path / "x.pth", names=("a", "b", "c")))
    assert checkpoint.config.has_generic_names
    assert "names 3 classes, and its head has 2" in checkpoint.notes[0]


@pytest.mark.parametrize("text", [None, "", 7])
def test_without_a_configuration_its_own_is_assumed(tmp_path: Path, text: object) -> None:
    with pytest.warns(AssumptionWarning, match="assumed mmdetection's own at 550 px: pass --config"):
        checkpoint = read_checkpoint(mmdetection_file(tmp_path / "x.pth", text))
    assert checkpoint.config.image_size == 550
    assert read_checkpoint(tmp_path / "x.pth", SMALL).notes == ()


BAD_TEXTS = {
    "model = dict(": "no mmdetection configuration in Python (line 1",
    "model = 5 5": "no mmdetection configuration in Python (line 1",
    "a = 1": "assigns no model",
    "model = " + "[" * 5000: "no mmdetection configuration in Python",
    "model = '\0'": "no mmdetection configuration in Python",
}
CHANGES = {
    ("style='pytorch'", "style='caffe'"): "backbone style = caffe",
    ("upsample_cfg=dict(mode='bilinear')", "upsample_cfg=dict(mode='nearest')"): "upsample_cfg",
    (", upsample_cfg=dict(mode='bilinear')", ""): "nearest upsampling in the neck",
    ("'on_input'", "'on_lateral'"): "add_extra_convs = on_lateral",
    ("use_sigmoid=False", "use_sigmoid=True"): "use_sigmoid",
    ("num_head_convs=1", "num_head_convs=2"): "num_head_convs",
    ("[123.68, ", "[0, "): "mean of the pixels",
    ("input_size = 96", "input_size = 100"): "image sizes that differ: 96 px, 100 px",
    ("strides=[8.0", "strides=[9.0"): "strides = 9, 16",
    ("top_k=200", "top_k=5000"): "top_k 5000",
    ("nms_pre=1000", "nms_pre=5000"): "candidates_per_level 5000",
    ("test_cfg=dict(", "test_cfg=dict(mask_thr=0.4, "): "mask_thr",
}


@pytest.mark.parametrize("text", BAD_TEXTS)
def test_a_text_that_is_no_configuration_is_refused(tmp_path: Path, text: str) -> None:
    path = mmdetection_file(tmp_path / "x.pth", text)
    refused(path, BAD_TEXTS[text], "--config")
    assert read_checkpoint(path, SMALL).config.name == SMALL.name


@pytest.mark.parametrize("change", CHANGES)
def test_an_option_that_is_not_read_is_named(tmp_path: Path, change: tuple[str, str]) -> None:
    assert change[0] in TEXT
    refused(mmdetection_file(tmp_path / "x.pth", TEXT.replace(*change)), CHANGES[change])


def test_nothing_of_a_text_runs(tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    hostile = f"import os\nos.system('touch {marker}')\n__import__('os').system('touch {marker}')\n"
    calls = f"evil = [open({str(marker)!r}, 'w') for _ in [1]]\nmore = eval('1')\n"
    checkpoint = read_checkpoint(mmdetection_file(tmp_path / "x.pth", hostile + calls + TEXT))
    assert checkpoint.config.image_size == 96
    assert not os.path.exists(marker)


def test_source_texts_are_read_as_far_as_they_are_values(tmp_path: Path) -> None:
    """Not only resolved ones, which mmdetection saves."""
    text = "norm = dict(mean=[123.68, 116.78, 103.94])\n" + TEXT.replace("[123.68, 116.78, 103.94]", "norm['mean']")
    text = text.replace("strides=[8.0, 16.0, 32.0, 48.0, 96.0]", "strides=[96.0 / x for x in [12, 6, 3, 2, 1]]")
    assert read_checkpoint(mmdetection_file(tmp_path / "x.pth", text)).config.image_size == 96


@pytest.mark.parametrize(
    ("shapes", "option"),
    [
        ({"head_convs.1.conv": (256, 256, 3, 3)}, "num_head_convs"),
        ({"conv_cls": (3 * 80, 256, 3, 3)}, "use_sigmoid=True"),
        ({"conv_reg": (36, 256, 3, 3)}, "scales_per_octave"),
    ],
)
def test_options_that_are_not_read_are_named(tmp_path: Path, shapes: dict[str, tuple[int, ...]], option: str) -> None:
    refused(save(tmp_path / "epoch_12.pth", head(**shapes)), option)


OTHERS = {
    "bbox_head.retina_cls.weight": "mmdetection RetinaNet",
    "roi_head.mask_head.convs.0.conv.weight": "mmdetection Mask R-CNN",
    "bbox_head.conv_centerness.weight": "mmdetection FCOS",
    "bbox_head.something.weight": "an mmdetection model",
    "proposal_generator.rpn_head.conv.weight": "detectron2",
    "roi_heads.mask_head.mask_fcn1.weight": "detectron2 Mask R-CNN",
    "roi_heads.box_predictor.weight": "torchvision R-CNN",
}


@pytest.mark.parametrize("key", OTHERS)
def test_a_model_that_is_no_yolact_is_named(tmp_path: Path, key: str) -> None:
    refused(save(tmp_path / "x.pth", {"backbone.conv1.weight": torch.zeros(1), key: torch.zeros(1)}), OTHERS[key])
