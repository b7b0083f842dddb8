"""YolactEdge checkpoints: recognised, renamed, and with the outputs of YolactEdge's own code."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.checkpoints.families.golden import FAMILIES, assert_raw_outputs, seeded_checkpoint
from tests.checkpoints.files import refused, save, zeros
from tests.conftest import NANO_WEIGHTS
from tests.seeded_raw import seeded_raw
from yolact_deploy.checkpoints.families.recognition import family_of
from yolact_deploy.checkpoints.reader import read_checkpoint
from yolact_deploy.config.backbone import BackboneConfig
from yolact_deploy.config.class_names import YOUTUBE_VIS
from yolact_deploy.config.model import ModelConfig
from yolact_deploy.config.postprocess import PostprocessConfig
from yolact_deploy.errors import AssumptionWarning, CheckpointError
from yolact_deploy.models.yolact import Yolact
from yolact_deploy.ops.boxes import boxes_in_pixels, make_priors
from yolact_deploy.ops.postprocess import detect, reference_detections
from yolact_deploy.ops.preprocess import preprocess
from yolact_deploy.types import Image, RawOutputs

GOLDEN = {
    "yolactedge_resnet50": "yolact_edge_resnet50",
    "yolactedge_mobilenetv2": "yolact_edge_mobilenetv2",
}
FLOW = {f"{name}.weight": torch.zeros(1) for name in ("flow_net.conv1.0", "flow_net_pre_convs.0.0", "spa.0.refine.0")}
SMALL = ModelConfig(
    name="small",
    backbone=BackboneConfig("mobilenetv2", (1, 1, 2, 1, 1, 1), 8),
    image_size=64,
    class_names=("a", "b"),
    scales=((8,), (16,), (32,), (64,), (128,)),
    fpn_channels=8,
    proto_channels=8,
    head_channels=8,
    num_prototypes=4,
)


def edge_keys(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Official keys -> those of YolactEdge."""
    phases = {"fpn.lat_": "fpn_phase_1.lat_", "fpn.pred_": "fpn_phase_2.pred_", "fpn.down": "fpn_phase_2.down"}
    renamed = {}
    for key, tensor in tensors.items():
        start = next((start for start in phases if key.startswith(start)), "")
        renamed[phases.get(start, "") + key[len(start) :]] = tensor
    return renamed


@pytest.mark.parametrize("name", GOLDEN)
@torch.inference_mode()
def test_outputs_are_those_of_yolact_edge(name: str, official_photo: Image) -> None:
    golden = dict(np.load(FAMILIES / f"{name}.npz"))
    stored = seeded_checkpoint(name)
    translation = family_of(stored).translate(stored, Path("weights.pth"))
    config = ModelConfig.named(GOLDEN[name])
    model = Yolact(config).eval()
    model.load_state_dict(translation.tensors)
    assert all(key.startswith(("backbone.layers.7.", "backbone.layers.8.")) for key in translation.dropped_keys)

    tensor = preprocess(official_photo[None], config)
    np.testing.assert_allclose(tensor.flatten().numpy()[golden["input_index"]], golden["input_sample"], atol=1e-5)
    raw = model(tensor)
    assert_raw_outputs(raw, golden)
    (found,) = detect(raw, PostprocessConfig())
    np.testing.assert_allclose(found.scores.numpy(), golden["det_score"], atol=1e-5)


@torch.inference_mode()
def test_detections_are_those_of_yolact_edge_one_to_one() -> None:
    """Its `eval.py` with Fast NMS, on made-up raw outputs whose scores are far apart."""
    golden = np.load(FAMILIES / "edge_post.npz")
    facts = json.loads((FAMILIES / "edge_post.json").read_text())
    priors = make_priors(ModelConfig.named("yolact_edge"))
    arrays = seeded_raw(priors, facts["num_classes"], facts["proto_hw"][0], facts["seed"])
    for name, total in facts["raw_sums"].items():
        assert np.abs(arrays[name]).sum(dtype=np.float64) == pytest.approx(total, rel=1e-9)
    loc, logits, coef, proto = (torch.from_numpy(arrays[name])[None] for name in ("loc", "logits", "coef", "proto"))
    raw = RawOutputs(loc=loc, conf=logits.softmax(-1), coef=coef, proto=proto, priors=torch.from_numpy(priors))
    (found,) = detect(raw, PostprocessConfig())
    np.testing.assert_array_equal(found.classes.numpy(), golden["det_class"])
    np.testing.assert_allclose(found.scores.numpy(), golden["det_score"], atol=1e-6)
    np.testing.assert_allclose(found.boxes.numpy(), golden["det_box"], atol=1e-5)
    height, width = facts["image_hw"]
    np.testing.assert_array_equal(boxes_in_pixels(found.boxes.numpy(), height, width), golden["post_box"])
    (whole,) = reference_detections(raw, PostprocessConfig(), height, width)
    np.testing.assert_allclose(whole.masks.sum(axis=(1, 2)), golden["post_mask_area"], atol=2)


def test_a_video_checkpoint_is_its_key_frame_network(tmp_path: Path) -> None:
    tensors = edge_keys(zeros(ModelConfig.named("yolact_edge_vid_resnet50")))
    path = save(tmp_path / "yolact_edge_vid_resnet50_847_50000.pth", {**tensors, **FLOW})
    with pytest.warns(AssumptionWarning, match="3 tensors of the flow net"):
        checkpoint = read_checkpoint(path)
    assert checkpoint.family == "YolactEdge"
    assert checkpoint.config.name == "yolact_edge_vid_resnet50"
    assert checkpoint.config.class_names == YOUTUBE_VIS
    assert set(checkpoint.dropped_keys) == set(FLOW)
    assert not any("phase" in key for key in checkpoint.state_dict)
    assert len(checkpoint.notes) == 1


def test_a_file_that_names_nothing_is_a_yolact_edge_by_its_keys(tmp_path: Path) -> None:
    checkpoint = read_checkpoint(save(tmp_path / "best.pth", edge_keys(zeros(ModelConfig.named("yolact_edge")))))
    assert checkpoint.config.name == "yolact_edge"
    assert "assumed yolact_edge at 550 px: pass" in checkpoint.notes[0]  # the video ones differ in names alone


def test_the_name_of_the_code_is_no_claim(tmp_path: Path) -> None:
    """A small network, named as the code names its default one."""
    tensors = torch.load(NANO_WEIGHTS, weights_only=True)
    edge = {
        re.sub(r"^fpn\.(pred|down)", r"fpn_phase_2.\1", key.replace("fpn.lat", "fpn_phase_1.lat")): tensor
        for key, tensor in tensors.items()
    }
    checkpoint = read_checkpoint(save(tmp_path / "yolact_edge_54_800000.pth", edge))
    assert checkpoint.config.name == "yolact_nano"
    assert "assumed yolact_nano" in checkpoint.notes[0]
    refused = save(tmp_path / "yolact_edge_resnet50_54_800000.pth", edge)
    with pytest.raises(CheckpointError, match="the file name says yolact_edge_resnet50"):
        read_checkpoint(refused)


def test_trainflow_is_said(tmp_path: Path) -> None:
    tensors = edge_keys(zeros(ModelConfig.named("yolact_edge_vid")))
    path = save(tmp_path / "yolact_edge_vid_trainflow_144_100000.pth", {**tensors, **FLOW})
    checkpoint = read_checkpoint(path)
    assert checkpoint.config.class_names == YOUTUBE_VIS
    assert any("intermediate step of training" in note for note in checkpoint.notes)


def test_official_keys_stay_official(tmp_path: Path) -> None:
    """What the nano checkpoint and any other official file are read as does not change."""
    checkpoint = read_checkpoint(save(tmp_path / "mine.pth", zeros(ModelConfig().with_num_classes(40))))
    assert checkpoint.family == "official YOLACT"
    assert checkpoint.config.name == "yolact_base"
    assert checkpoint.config.has_generic_names


def test_a_mobilenet_of_another_size(tmp_path: Path) -> None:
    tensors = edge_keys(zeros(SMALL))
    unused = {f"backbone.layers.{layer}.0.weight": torch.zeros(1) for layer in (7, 8)}
    checkpoint = read_checkpoint(save(tmp_path / "small.pth", {**tensors, **unused}), SMALL)
    assert set(checkpoint.dropped_keys) == set(unused)
    assert set(checkpoint.state_dict) == set(zeros(SMALL))


@pytest.mark.parametrize(
    "missing",
    [
        "fpn_phase_2.pred_layers.1.weight",
        "fpn_phase_1.lat_layers.0.weight",
        "prediction_layers.0.bbox_layer.weight",
        "backbone.layers.4.0.conv.1.1.running_mean",
    ],
)
def test_a_checkpoint_that_lacks_a_tensor_is_refused(tmp_path: Path, missing: str) -> None:
    tensors = edge_keys(zeros(ModelConfig.named("yolact_edge_mobilenetv2")))
    del tensors[missing]
    official = missing.replace("_phase_1", "").replace("_phase_2", "")
    refused(save(tmp_path / "yolact_edge_mobilenetv2_54_800000.pth", tensors), f"missing keys: {official}")


@pytest.mark.parametrize("flow", [FLOW, {key: value for key, value in FLOW.items() if "pre" not in key}])
def test_a_flow_net_alone_is_refused(tmp_path: Path, flow: dict[str, torch.Tensor]) -> None:
    refused(save(tmp_path / "yolact_edge_vid.pth", flow), "flow net alone")


def test_flow_net_keys_with_one_root_are_still_recognised(tmp_path: Path) -> None:
    flow = {f"flow_net.conv{index}.weight": torch.zeros(1) for index in range(2)}
    refused(save(tmp_path / "flow.pth", flow), "flow net alone")


def test_a_mixture_with_the_official_code_is_refused(tmp_path: Path) -> None:
    official = zeros(ModelConfig.named("yolact_edge_resnet50"))
    half = {key.replace("fpn.lat_", "fpn_phase_1.lat_"): value for key, value in official.items()}
    refused(save(tmp_path / "yolact_edge_resnet50_1_2.pth", half), "mixes two families")
