"""A model that keeps the aspect ratio, in a graph: the same as the reference, for images of any shape."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper

from tests.small_swin import CONFIG, RULES, exported, save_weights
from yolact_deploy.export.graph.aspect import SQUARE_MASKS, image_masks
from yolact_deploy.export.graph.domain import OPSET
from yolact_deploy.models.yolact import Yolact
from yolact_deploy.ops.postprocess import reference_detections
from yolact_deploy.ops.preprocess import preprocess
from yolact_deploy.predictor import Predictor
from yolact_deploy.runtimes.onnxruntime import create_session
from yolact_deploy.types import Detections, Image

SIZES = ((60, 100), (101, 63), (64, 64), (33, 1), (1, 40), (95, 97))  # height, width
WIDTHS = (1, 2, 31, 32, 33, 62, 63, 64, 65, 96)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_weights(tmp_path_factory.mktemp("aspect"))


def pictures() -> list[Image]:
    random = np.random.default_rng(3)
    return [random.integers(0, 256, (*size, 3), np.uint8) for size in SIZES]


@torch.inference_mode()
def expected(weights: Path, image: Image) -> Detections:
    model = Yolact(CONFIG).eval()
    model.load_state_dict(torch.load(weights, weights_only=True))
    raw = model(preprocess(image[None], CONFIG))
    return reference_detections(raw, RULES, *image.shape[:2], resize=CONFIG.resize)[0]


@pytest.mark.parametrize(
    "options", [{}, {"mask_size": "image"}, {"input_kind": "tensor"}, {"mask_size": "image", "inline": True}]
)
def test_exports_equal_the_reference(weights: Path, options: dict[str, object]) -> None:
    with Predictor.open(exported(weights, **options)) as predictor:
        for image, actual in zip(pictures(), predictor.batch(pictures()), strict=True):
            wanted = expected(weights, image)
            assert len(wanted) > 3
            assert actual.masks.shape[1:] == image.shape[:2]
            np.testing.assert_array_equal(actual.classes, wanted.classes)
            np.testing.assert_allclose(actual.boxes, wanted.boxes, atol=1)
            differing = np.count_nonzero(actual.masks != wanted.masks)
            assert differing <= max(2, 0.001 * wanted.masks.size)


def test_a_batch_is_padded_alike(weights: Path) -> None:
    images = [pictures()[0], pictures()[0][:, ::-1].copy()]
    with Predictor.open(exported(weights)) as predictor:
        together, alone = predictor.batch(images), [predictor(image) for image in images]
    for both in zip(together, alone, strict=True):
        np.testing.assert_array_equal(*(found.boxes for found in both))
        np.testing.assert_array_equal(*(found.masks for found in both))


def test_masks_of_windows_are_the_masks(weights: Path) -> None:
    image = pictures()[0]
    for options in ({}, {"mask_size": "image"}):
        with Predictor.open(exported(weights, **options)) as predictor:
            (found,) = predictor.detect([image])
            whole, windowed = (
                finish(found, *image.shape[:2]) for finish in (predictor.finish, predictor.finish_windowed)
            )
        np.testing.assert_array_equal(whole.boxes, windowed.boxes)
        for mask, window in zip(whole.masks, windowed.masks, strict=True):
            drawn = np.zeros_like(mask)
            drawn[window.rows, window.columns] = window.inside
            np.testing.assert_array_equal(drawn, mask)


@pytest.mark.parametrize("height", [3, 97])
@pytest.mark.parametrize("width", WIDTHS)
def test_bits_past_the_width_are_cleared(height: int, width: int) -> None:
    side = max(height, width)
    words = -(-side // 32)
    packed = np.random.default_rng(width).integers(-(2**31), 2**31, (1, 2, side, words)).astype(np.int32)
    packed[0, 0] = -1
    nodes, constants = image_masks("masks")
    inputs = [
        helper.make_tensor_value_info("preprocess/float", TensorProto.FLOAT, ["B", "H", "W", 3]),
        helper.make_tensor_value_info(SQUARE_MASKS, TensorProto.INT32, ["B", "D", "M", "words"]),
    ]
    output = helper.make_tensor_value_info("masks", TensorProto.INT32, ["B", "D", "H", "w"])
    graph = helper.make_graph(nodes, "masks", inputs, [output], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=10)
    onnx.checker.check_model(model, full_check=True)
    feed = {"preprocess/float": np.zeros((1, height, width, 3), np.float32), SQUARE_MASKS: packed}
    (actual,) = create_session(model.SerializeToString(), "the part", "cpu").run(None, feed)
    bits = np.unpackbits(packed.view(np.uint8), axis=-1, bitorder="little")[:, :, :height]
    bits[..., width:] = 0
    wanted = np.packbits(bits, axis=-1, bitorder="little").view(np.int32)[..., : -(-width // 32)]
    np.testing.assert_array_equal(actual, wanted)
