"""mmdetection: renamed and with the raw outputs of its own code; refused, as its post-processing is not there."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from tests.checkpoints.families.golden import FAMILIES, assert_raw_outputs, seeded_checkpoint
from tests.checkpoints.files import save
from yolact_deploy.checkpoints.families.mmdetection import CONFIG
from yolact_deploy.checkpoints.families.recognition import family_of
from yolact_deploy.checkpoints.reader import read_checkpoint
from yolact_deploy.config.model import ModelConfig
from yolact_deploy.errors import CheckpointError
from yolact_deploy.models.yolact import Yolact
from yolact_deploy.ops.preprocess import preprocess
from yolact_deploy.types import Image

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


def refused(path: Path, *parts: str) -> None:
    with pytest.raises(CheckpointError) as caught:
        read_checkpoint(path)
    assert "\n" not in str(caught.value)
    for part in parts:
        assert part in str(caught.value)


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


def test_it_is_refused_with_the_reason(tmp_path: Path) -> None:
    refused(save(tmp_path / "yolact_r50_1x8_coco.pth", head()), "mmdetection", "clipping of boxes")


@pytest.mark.parametrize(
    ("shapes", "option"),
    [
        ({"head_convs.1.conv": (256, 256, 3, 3)}, "num_head_convs"),
        ({"conv_cls": (3 * 80, 256, 3, 3)}, "use_sigmoid=True"),
        ({"conv_reg": (36, 256, 3, 3)}, "scales_per_octave"),
        ({"conv_cls": ()}, "clipping of boxes"),
        ({"conv_cls": (7,)}, "clipping of boxes"),
    ],
)
def test_options_that_are_not_read_are_named(tmp_path: Path, shapes: dict[str, tuple[int, ...]], option: str) -> None:
    refused(save(tmp_path / "epoch_12.pth", head(**shapes)), option)
