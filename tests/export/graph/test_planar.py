"""Files that take what DeepStream's nvinfer gives: planes of 0 to 255, scaled by one number for all channels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx.reference import ReferenceEvaluator

from tests.conftest import NANO_WEIGHTS
from tests.export.graph.test_torch_to_onnx import assert_same, dims
from yolact_deploy.artifacts.onnx_file import read_metadata
from yolact_deploy.config.model import ModelConfig
from yolact_deploy.errors import ConfigError
from yolact_deploy.export.graph.torch_to_onnx import ExportOptions, export_onnx
from yolact_deploy.ops.preprocess import planes_numpy, preprocess_numpy
from yolact_deploy.predictor import Predictor
from yolact_deploy.types import Image


def test_contract_of_the_graph(nano_planar_onnx: Path) -> None:
    model = onnx.load(nano_planar_onnx)
    (planes,) = model.graph.input
    assert (planes.name, dims(planes)) == ("planes", ["B", 3, 256, 256])
    assert planes.type.tensor_type.elem_type == onnx.TensorProto.FLOAT
    shapes = {output.name: dims(output) for output in model.graph.output}
    assert shapes["num_detections"] == ["B", 1]
    assert all(len(shape) > 1 for shape in shapes.values())  # nvinfer takes no output of one dimension
    assert read_metadata(nano_planar_onnx).input_kind == "planar"
    assert {entry.key: entry.value for entry in model.metadata_props}["yolact_deploy.format"] == "3"


def test_the_predictor_runs_it(nano_planar_onnx: Path, nano_image: Image) -> None:
    turned = np.ascontiguousarray(nano_image[::-1])
    with Predictor.open(nano_planar_onnx) as planar, Predictor.open(NANO_WEIGHTS) as reference:
        assert_same(planar(nano_image), reference(nano_image))
        for found, image in zip(planar.batch([nano_image, turned]), (nano_image, turned), strict=True):
            assert_same(found, reference(image))


def test_normalisation_is_the_one_of_the_other_inputs(nano_planar_onnx: Path, nano_image: Image) -> None:
    """The first nodes alone, in another implementation of ONNX: bit for bit."""
    config = ModelConfig.named("yolact_nano")
    part = onnx.utils.Extractor(onnx.load(nano_planar_onnx)).extract_model(["planes"], ["network_input"])
    planes = planes_numpy(nano_image[None], config)
    (found,) = ReferenceEvaluator(part).run(None, {"planes": planes})
    np.testing.assert_array_equal(found, preprocess_numpy(nano_image[None], config))
    mean, std = np.float32(config.normalization.mean), np.float32(config.normalization.std)
    for channel, name in enumerate("rgb"):
        b = "bgr".index(name)
        np.testing.assert_array_equal(found[0, channel], (planes[0, channel] - mean[b]) / std[b])


def test_masks_at_image_size_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="input planar leaves it out"):
        export_onnx(NANO_WEIGHTS, ExportOptions(tmp_path / "no.onnx", input_kind="planar", mask_size="image"))
