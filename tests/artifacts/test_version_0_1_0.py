"""Files that version 0.1.0 wrote are read, and run to the same detections; those of a newer format are refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from tests.conftest import DATA
from yolact_deploy.artifacts.manifest import Manifest
from yolact_deploy.artifacts.metadata import FORMAT_KEY
from yolact_deploy.artifacts.onnx_file import props_of, read_metadata
from yolact_deploy.errors import ModelFileError
from yolact_deploy.predictor import Predictor

FOLDER = DATA / "version_0_1_0"


def test_an_onnx_file_of_then_finds_what_it_found() -> None:
    expected = np.load(FOLDER / "tiny.npz")
    with Predictor.open(FOLDER / "tiny.onnx", device="cpu", threads=1) as predictor:
        assert predictor.metadata.tool_version == "0.1.0"
        assert predictor.metadata.config.class_names == ("nut", "bolt", "écrou")
        found = predictor(expected["image"])
    np.testing.assert_allclose(found.scores, expected["scores"], atol=1e-6)
    np.testing.assert_array_equal(found.classes, expected["classes"])
    np.testing.assert_allclose(found.boxes, expected["boxes"], atol=1)
    np.testing.assert_allclose(found.masks.sum((1, 2)), expected["mask_areas"], atol=3)


def test_a_manifest_of_then_is_read() -> None:
    manifest = Manifest.read(FOLDER / "tiny.engine")
    manifest.check_file(FOLDER / "tiny.engine")
    assert manifest.metadata == read_metadata(FOLDER / "tiny.onnx")
    assert manifest.built_on.describe() == "TensorRT 10.3.0, Orin (compute capability 8.7), JetPack 6.1"
    assert manifest.inputs[0].max == (1, 1920, 1920, 3)


def test_a_newer_format_is_refused_with_what_to_do(tmp_path: Path) -> None:
    model = onnx.load(FOLDER / "tiny.onnx")
    onnx.helper.set_model_props(model, {**props_of(model), FORMAT_KEY: "4"})
    onnx.save(model, tmp_path / "new.onnx")
    with pytest.raises(ModelFileError, match="has format 4, this version reads 1, 2, 3: update yolact-deploy"):
        Predictor.open(tmp_path / "new.onnx")
    text = (FOLDER / "tiny.engine.json").read_text(encoding="utf-8").replace('"format": "1"', '"format": "9"', 1)
    with pytest.raises(ModelFileError, match="has format 9, this version reads 1: update yolact-deploy"):
        Manifest.from_json(text, "tiny.engine.json")
