"""Predictor: one interface over PyTorch and ONNX Runtime, and its refusals."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch

from yolact_deploy.config.model import ModelConfig
from yolact_deploy.config.postprocess import PostprocessConfig
from yolact_deploy.errors import CheckpointError, ImageError, ModelFileError, YolactDeployError
from yolact_deploy.ops.boxes import make_priors
from yolact_deploy.ops.preprocess import preprocess, preprocess_numpy
from yolact_deploy.predictor import Predictor
from yolact_deploy.runtimes.base import batches
from yolact_deploy.types import Detections, Image


@pytest.fixture(params=["pth", "onnx"])
def model_path(request: pytest.FixtureRequest, nano_weights: Path, nano_onnx: Path) -> Path:
    return nano_weights if request.param == "pth" else nano_onnx


def test_detections_are_well_formed(model_path: Path, nano_image: Image) -> None:
    with Predictor.open(model_path, device="cpu", threads=2) as predictor:
        found = predictor(nano_image)
        assert predictor.metadata.config.name == "yolact_nano"
        assert "CPU" in predictor.description
    height, width = nano_image.shape[:2]
    assert len(found) == 36  # as the official code, tests/data/official_nano
    assert (found.height, found.width) == (height, width)
    kinds = {"boxes": np.int64, "scores": np.float32, "mask_scores": np.float32, "classes": np.int64, "masks": np.bool_}
    for name, kind in kinds.items():
        assert getattr(found, name).dtype == kind
        assert len(getattr(found, name)) == 36
    assert (np.diff(found.scores) <= 0).all()
    np.testing.assert_array_equal(found.scores, found.mask_scores)
    assert found.boxes.min() >= 0
    assert (found.boxes[:, [2, 3]] <= [width, height]).all()


def test_the_score_threshold_leaves_a_prefix(model_path: Path, nano_image: Image) -> None:
    with Predictor.open(model_path) as everything, Predictor.open(model_path, score_threshold=0.5) as best:
        found, kept = everything(nano_image), best(nano_image)
    count = np.count_nonzero(found.scores >= 0.5)
    assert 0 < count == len(kept) < len(found)
    np.testing.assert_array_equal(kept.masks, found.masks[:count])


def test_nothing_found_is_an_ordinary_result(model_path: Path) -> None:
    with Predictor.open(model_path, score_threshold=1.0) as predictor:
        found = predictor(np.zeros((20, 30, 3), np.uint8))
    assert len(found) == 0
    assert found.masks.shape == (0, 20, 30)
    assert found.boxes.shape == Detections.empty(20, 30).boxes.shape


@pytest.mark.parametrize("size", [(1, 1), (1, 200), (2000, 3)])
def test_extreme_image_sizes(model_path: Path, size: tuple[int, int]) -> None:
    with Predictor.open(model_path) as predictor:
        assert predictor(np.full((*size, 3), 127, np.uint8)).masks.shape[1:] == size


def test_a_very_large_image(nano_onnx: Path) -> None:
    with Predictor.open(nano_onnx, score_threshold=0.3) as predictor:
        assert predictor(np.zeros((6000, 8000, 3), np.uint8)).masks.shape[1:] == (6000, 8000)


def test_images_of_several_sizes_keep_their_order(nano_onnx: Path, nano_image: Image) -> None:
    images = [nano_image, nano_image[:100], nano_image[:100], nano_image]
    with Predictor.open(nano_onnx) as predictor:
        found = predictor.batch(images)
        assert [result.height for result in found] == [384, 100, 100, 384]
        np.testing.assert_array_equal(found[0].boxes, found[3].boxes)
        assert predictor.batch([]) == []


def test_grey_and_alpha_images(nano_onnx: Path, nano_image: Image) -> None:
    grey = nano_image.mean(axis=2).astype(np.uint8)
    alpha = np.dstack((nano_image, np.zeros(nano_image.shape[:2], np.uint8)))
    with Predictor.open(nano_onnx) as predictor:
        np.testing.assert_array_equal(predictor(alpha).boxes, predictor(nano_image).boxes)
        np.testing.assert_array_equal(predictor(grey).boxes, predictor(np.dstack([grey] * 3)).boxes)


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros((4, 4, 3), np.uint16), "divide by 257"),
        (np.zeros((4, 4, 3), np.float32), "scale to 0..255"),
        (np.zeros((4, 4, 2), np.uint8), r"shape \[4, 4, 2\]"),
        (np.zeros((0, 4, 3), np.uint8), "with pixels"),
        ("photo.jpg", "photo.jpg: No such file"),
    ],
)
def test_other_images_are_refused(nano_onnx: Path, image: object, message: str) -> None:
    with Predictor.open(nano_onnx) as predictor, pytest.raises(ImageError, match=message):
        predictor(image)


def test_a_closed_predictor_says_so(model_path: Path, nano_image: Image) -> None:
    predictor = Predictor.open(model_path)
    predictor.close()
    predictor.close()
    with pytest.raises(YolactDeployError, match="is closed"):
        predictor(nano_image)


def test_wrong_files_and_options(tmp_path: Path, nano_onnx: Path, nano_weights: Path) -> None:
    with pytest.raises(ModelFileError, match="no such file"):
        Predictor.open(tmp_path / "missing.onnx")
    with pytest.raises(CheckpointError, match="No such file"):
        Predictor.open(tmp_path / "missing.pth")
    with pytest.raises(ModelFileError, match="unknown kind of model file"):
        Predictor.open(tmp_path / "model.tflite")
    with pytest.raises(YolactDeployError, match="unknown device 'tpu': use one of auto, cpu, cuda"):
        Predictor.open(nano_onnx, device="tpu")
    with pytest.raises(YolactDeployError, match="threads 0"):
        Predictor.open(nano_onnx, threads=0)
    with pytest.raises(YolactDeployError, match="brings its own configuration"):
        Predictor.open(nano_onnx, postprocess=PostprocessConfig())
    (tmp_path / "empty.onnx").touch()
    with pytest.raises(ModelFileError, match="is empty"):
        Predictor.open(tmp_path / "empty.onnx")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_cuda_that_is_not_there(model_path: Path) -> None:
    with pytest.raises(YolactDeployError, match="yolact-deploy doctor"):
        Predictor.open(model_path, device="cuda")


@pytest.mark.parametrize("share", [0.01, 0.5, 0.99])
def test_a_truncated_onnx_file(tmp_path: Path, nano_onnx: Path, share: float) -> None:
    data = nano_onnx.read_bytes()
    path = tmp_path / "cut.onnx"
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(ModelFileError) as caught:
        Predictor.open(path)
    assert "\n" not in str(caught.value)


def test_onnx_files_that_are_not_ours(tmp_path: Path, nano_onnx: Path) -> None:
    model = onnx.load(nano_onnx)
    del model.metadata_props[:]
    path = tmp_path / "foreign.onnx"
    onnx.save(model, path)
    with pytest.raises(ModelFileError, match="was not made by yolact-deploy"):
        Predictor.open(path)
    for key, value, message in (
        ("yolact_deploy.format", "9", "has format 9, this version reads up to"),
        ("yolact_deploy.config", "{", "damaged yolact-deploy metadata"),
        ("yolact_deploy.postprocess", '{"top_k": "many"}', "damaged yolact-deploy metadata"),
    ):
        model = onnx.load(nano_onnx)
        next(entry for entry in model.metadata_props if entry.key == key).value = value
        onnx.save(model, path)
        with pytest.raises(ModelFileError, match=message):
            Predictor.open(path)


def test_an_onnx_file_without_an_output(tmp_path: Path, nano_onnx: Path) -> None:
    model = onnx.load(nano_onnx)
    del model.graph.output[3]
    onnx.save(model, tmp_path / "less.onnx")
    with pytest.raises(ModelFileError, match="lacks the outputs masks"):
        Predictor.open(tmp_path / "less.onnx")


def test_running_an_onnx_file_imports_no_torch(nano_onnx: Path) -> None:
    code = (
        "import sys, numpy; from yolact_deploy import Predictor, Detections\n"
        f"Predictor.open({str(nano_onnx)!r})(numpy.zeros((9, 9, 3), numpy.uint8))\n"
        "assert not {'torch', 'onnx', 'pycocotools', 'matplotlib'} & set(sys.modules), sorted(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("name", ["yolact_nano", "yolact_base", "yolact_darknet53"])
def test_both_resizers_agree(name: str) -> None:
    """OpenCV and PyTorch differ by up to 0.002 of 255 (before normalisation)."""
    config = ModelConfig.named(name)
    images = np.random.default_rng(0).integers(0, 255, (2, 93, 71, 3), np.uint8)
    expected = preprocess(images, config).numpy()
    scale = min(config.normalization.std)
    np.testing.assert_allclose(preprocess_numpy(images, config), expected, atol=0.004 / scale)


def test_channels_are_reversed_and_normalised() -> None:
    config = ModelConfig.named("yolact_nano")
    image = np.full((1, 8, 8, 3), (10, 20, 30), np.uint8)  # BGR
    red, green, blue = preprocess(image, config)[0, :, 0, 0].tolist()
    assert red == pytest.approx((30 - 123.68) / 58.40, abs=1e-5)
    assert green == pytest.approx((20 - 116.78) / 57.12, abs=1e-5)
    assert blue == pytest.approx((10 - 103.94) / 57.38, abs=1e-5)


def test_batches_group_neighbours_of_one_size() -> None:
    images = [np.full((size, 2, 3), index, np.uint8) for index, size in enumerate((4, 4, 4, 5, 4))]

    def shapes(batch_size: int | None) -> list[tuple[tuple[int, ...], int]]:
        return [(batch.shape, count) for batch, count in batches(images, batch_size)]

    assert shapes(None) == [((3, 4, 2, 3), 3), ((1, 5, 2, 3), 1), ((1, 4, 2, 3), 1)]
    assert shapes(2) == [((2, 4, 2, 3), 2), ((2, 4, 2, 3), 1), ((2, 5, 2, 3), 1), ((2, 4, 2, 3), 1)]
    assert shapes(1) == [((1, 4, 2, 3), 1)] * 3 + [((1, 5, 2, 3), 1), ((1, 4, 2, 3), 1)]
    (first, _), *_ = batches(images, 2)
    np.testing.assert_array_equal(first[1], images[1])
    assert list(batches([], None)) == []


def test_priors_are_not_in_the_state_dict(nano_weights: Path) -> None:
    """They follow from the configuration; a checkpoint must not bring its own."""
    assert "priors" not in torch.load(nano_weights, weights_only=True)
    assert make_priors(ModelConfig.named("yolact_nano")).dtype == np.float32


def test_a_forked_process_is_told_to_open_its_own(nano_onnx: Path, nano_weights: Path, nano_image: Image) -> None:
    """With the reference the call would wait for threads that a fork does not copy."""
    for path in (nano_onnx, nano_weights):
        with Predictor.open(path, threads=1) as predictor:
            predictor(nano_image)
            process = os.fork()
            if process == 0:
                status = 1
                try:
                    predictor(nano_image)
                except YolactDeployError as error:
                    status = 0 if "forked" in str(error) else 2
                finally:
                    os._exit(status)
            assert os.waitpid(process, 0)[1] == 0


def test_a_pickled_predictor_opens_its_file_again(
    model_path: Path, nano_image: Image, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From another folder, too."""
    monkeypatch.chdir(model_path.parent)
    names = ("a", "b", "c", "d", "e", "f")
    options: dict[str, Any] = {"device": "cpu", "threads": 1, "score_threshold": 0.3, "thresholds": {"a": 0.5}}
    with Predictor.open(model_path.name, class_names=names, **options) as predictor:
        predictor.score_threshold = 0.4
        expected, data = predictor(nano_image), pickle.dumps(predictor)
    monkeypatch.chdir(tmp_path)
    with pickle.loads(data) as again:
        assert again(nano_image) == expected
        assert (again.score_threshold, again.thresholds) == (0.4, {"a": 0.5})
        assert again.description == predictor.description
    with pytest.raises(YolactDeployError, match=r"Predictor\.open"):
        pickle.dumps(Predictor(predictor.runtime))
