"""The network against the official code's outputs."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.conftest import DATA, NANO_WEIGHTS, PLUS_NANO_WEIGHTS, seeded_state_dict
from yolact_deploy.checkpoints.reader import load_checkpoint
from yolact_deploy.config.model import NAMED_CONFIGS, ModelConfig
from yolact_deploy.config.postprocess import PostprocessConfig
from yolact_deploy.models.yolact import Yolact
from yolact_deploy.ops.boxes import boxes_in_pixels
from yolact_deploy.ops.postprocess import detect, reference_detections, rescore_masks
from yolact_deploy.ops.preprocess import preprocess
from yolact_deploy.types import Image, RawOutputs

GOLDEN = ("yolact_resnet50", "yolact_darknet53", "yolact_plus_resnet50")
RAW_NAMES = {"loc": "loc", "conf": "conf", "coef": "mask"}  # ours -> the official files'


def relative_difference(actual: np.ndarray, expected: np.ndarray) -> float:
    return float(np.abs(actual - expected).max() / np.abs(expected).max())


@pytest.fixture(scope="module", params=GOLDEN)
def golden(request: pytest.FixtureRequest, official_photo: Image) -> tuple[RawOutputs, torch.Tensor, dict, Yolact]:
    """Our raw outputs, our network input, the official arrays, and the model."""
    config = ModelConfig.named(request.param)
    model = Yolact(config).eval()
    model.load_state_dict(seeded_state_dict(config))
    tensor = preprocess(official_photo[None], config)
    with torch.inference_mode():
        raw = model(tensor)
    return raw, tensor, dict(np.load(DATA / f"official/{request.param}.npz")), model


@pytest.mark.parametrize("name", GOLDEN)
def test_state_dict_has_the_official_keys_and_shapes(name: str) -> None:
    expected = json.loads((DATA / f"official/{name}.json").read_text())["state_dict"]
    actual = {key: list(tensor.shape) for key, tensor in Yolact(ModelConfig.named(name)).state_dict().items()}
    assert actual == expected


def test_network_input_is_the_official_one(golden: tuple) -> None:
    _, tensor, official, _ = golden
    actual = tensor.flatten().numpy()[official["input_index"]]
    np.testing.assert_allclose(actual, official["input_sample"], atol=1e-5)


def test_raw_outputs_are_the_official_ones(golden: tuple) -> None:
    raw, _, official, _ = golden
    for ours, theirs in RAW_NAMES.items():
        actual = getattr(raw, ours)[0].numpy()[official["prior_index"]]
        assert relative_difference(actual, official[theirs]) < 1e-4, ours
    proto = raw.proto[0].flatten(0, 1).numpy()[official["proto_index"]]
    assert relative_difference(proto, official["proto"]) < 1e-4
    np.testing.assert_allclose(raw.priors.numpy()[official["prior_index"]], official["priors"], atol=1e-7)


def test_detections_are_the_official_ones_in_order(golden: tuple) -> None:
    raw, _, official, _ = golden
    (found,) = detect(raw, PostprocessConfig())
    assert len(found.scores) == len(official["det_score"]) == 100
    np.testing.assert_allclose(found.scores.numpy(), official["det_score"], atol=1e-5)
    gaps = np.diff(official["det_score"])
    clear = np.concatenate(([True], gaps < -1e-5)) & np.concatenate((gaps < -1e-5, [True]))  # ties may swap
    assert clear.mean() > 0.5
    np.testing.assert_array_equal(found.classes.numpy()[clear], official["det_class"][clear])
    np.testing.assert_allclose(found.boxes.numpy()[clear], official["det_box"][clear], atol=1e-4)
    np.testing.assert_allclose(found.coefs.numpy()[clear], official["det_mask"][clear], atol=1e-3)


@torch.inference_mode()
def test_masks_and_pixels_are_the_official_ones(golden: tuple, official_photo: Image) -> None:
    raw, _, official, model = golden
    (found,) = reference_detections(raw, PostprocessConfig(), *official_photo.shape[:2], model.maskiou_net)
    np.testing.assert_allclose(found.scores, official["post_score_box"], atol=1e-5)
    np.testing.assert_allclose(found.mask_scores, official["post_score_mask"], atol=1e-4)
    assert np.array_equal(found.scores, found.mask_scores) != model.config.rescores_masks
    assert np.mean(np.abs(found.boxes - official["post_box"]) <= 1) == 1
    assert np.mean(found.boxes == official["post_box"]) > 0.99
    areas = found.masks.sum(axis=(1, 2))
    assert abs(int(areas.sum()) - int(official["post_mask_area"].sum())) <= 1e-3 * official["post_mask_area"].sum()
    np.testing.assert_allclose(areas, official["post_mask_area"], rtol=1e-3, atol=2)


@pytest.mark.parametrize(("weights", "prefix"), [(NANO_WEIGHTS, ""), (PLUS_NANO_WEIGHTS, "plus_")])
@torch.inference_mode()
def test_nano_raw_outputs_and_detections_are_the_official_ones(weights: Path, prefix: str) -> None:
    model, config = load_checkpoint(weights)
    official, kept, finished = (
        np.load(DATA / f"official_nano/{prefix}reference_{part}.npz") for part in ("raw", "nms", "postprocess")
    )
    np.testing.assert_allclose(model.priors.numpy(), official["priors"], atol=1e-7)
    for index in range(4):
        raw = model(torch.from_numpy(official[f"input_{index}"])[None])
        for ours, theirs in (*RAW_NAMES.items(), ("proto", "proto")):
            assert relative_difference(getattr(raw, ours)[0].numpy(), official[f"{theirs}_{index}"]) < 1e-4
        (found,) = detect(raw, PostprocessConfig())
        np.testing.assert_array_equal(found.classes.numpy(), kept[f"class_{index}"])
        np.testing.assert_allclose(found.scores.numpy(), kept[f"score_{index}"], atol=1e-5)
        np.testing.assert_allclose(found.boxes.numpy(), kept[f"box_{index}"].reshape(-1, 4), atol=1e-5)
        height, width = finished[f"size_{index}"]
        pixels = boxes_in_pixels(found.boxes.numpy(), height, width)
        np.testing.assert_array_equal(pixels, finished[f"boxes_{index}"].reshape(-1, 4))
        (whole,) = reference_detections(raw, PostprocessConfig(), height, width, model.maskiou_net)
        mask_scores = finished[f"mask_scores_{index}" if prefix else f"scores_{index}"]
        np.testing.assert_allclose(whole.mask_scores, mask_scores, atol=1e-4)
        pixels_count = height * width
        for mask, packed in zip(whole.masks, finished[f"masks_packed_{index}"], strict=True):
            official_mask = np.unpackbits(packed)[:pixels_count].astype(bool)
            assert np.count_nonzero(mask.ravel() ^ official_mask) <= 1e-3 * pixels_count
    assert config.name == f"yolact_{prefix}nano"


def test_no_mask_is_discarded_for_being_small() -> None:
    """The official `discard_mask_area` is 25 here, and its detections have smaller masks, even empty ones."""
    finished = np.load(DATA / "official_nano/plus_reference_postprocess.npz")
    areas = [np.unpackbits(packed).sum() for index in range(4) for packed in finished[f"masks_packed_{index}"]]
    assert min(areas) == 0


def test_mask_scores_go_by_the_class_of_the_detection() -> None:
    class Net(torch.nn.Module):
        def forward(self, masks: torch.Tensor) -> torch.Tensor:
            return torch.tensor([[0.1, 0.5, 1.2], [0.2, 0.6, 0.9]])

    scores = rescore_masks(Net(), torch.zeros(2, 4, 4), torch.tensor([2, 0]), torch.tensor([0.5, 0.25]))  # type: ignore[arg-type]
    torch.testing.assert_close(scores, torch.tensor([0.6, 0.05]))  # above 1 is not held at 1


@pytest.mark.parametrize("config", NAMED_CONFIGS.values(), ids=lambda config: config.name)
def test_output_shapes_of_every_configuration(config: ModelConfig) -> None:
    with torch.device("meta"):
        raw = Yolact(config)(torch.empty(2, 3, config.image_size, config.image_size))
    size, n = config.proto_size, config.num_priors
    assert raw.loc.shape == (2, n, 4)
    assert raw.conf.shape == (2, n, config.num_classes + 1)
    assert raw.coef.shape == (2, n, config.num_prototypes)
    assert raw.proto.shape == (2, size, size, config.num_prototypes)
    assert raw.priors.shape == (n, 4)
