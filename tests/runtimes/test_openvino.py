"""The OpenVINO runtime against ONNX Runtime, on the same files."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest

from tests.conftest import NANO
from tests.export.precision.int8.conftest import calibrated
from tests.running import Captured, fails
from yolact_deploy.errors import ConfigError, ModelFileError, YolactDeployError
from yolact_deploy.export.graph.torch_to_onnx import ExportResult
from yolact_deploy.export.precision.int8.convert import Int8Options, convert_int8
from yolact_deploy.ops.matching import match_detections
from yolact_deploy.predictor import Predictor
from yolact_deploy.types import Image, NetworkDetections


def found_by(path: Path, images: list[Image], **options: str) -> list[NetworkDetections]:
    with Predictor.open(path, device="cpu", threads=1, **options) as predictor:  # type: ignore[arg-type]
        return predictor.detect(images)


def assert_same(a: NetworkDetections, b: NetworkDetections) -> None:
    np.testing.assert_array_equal(a.classes, b.classes)
    for field in ("boxes", "scores", "mask_scores", "masks"):
        np.testing.assert_allclose(getattr(a, field), getattr(b, field), rtol=0, atol=1e-4)


class TestWithOpenVino:
    @pytest.fixture(autouse=True, scope="class")
    @staticmethod
    def installed() -> None:
        pytest.importorskip("openvino", reason="needs OpenVINO: the extra openvino")

    @pytest.fixture(scope="class")
    @staticmethod
    def int8(nano_onnx: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
        folder, model = tmp_path_factory.mktemp("int8"), onnx.load(nano_onnx)
        statistics = calibrated(model)
        for layout in ("cpu", "tensorrt"):
            onnx.save(convert_int8(model, statistics, Int8Options(layout), "nano"), folder / f"{layout}.onnx")
        return {layout: folder / f"{layout}.onnx" for layout in ("cpu", "tensorrt")}

    def test_yolact(self, nano_onnx: Path, nano_image: Image) -> None:
        images = [nano_image, np.ascontiguousarray(nano_image[:200, :150])]
        for ours, theirs in zip(
            found_by(nano_onnx, images, runtime="openvino"), found_by(nano_onnx, images), strict=True
        ):
            assert len(theirs) > 5
            assert_same(ours, theirs)

    def test_yolact_plus(self, plus_exports: dict[str, ExportResult], nano_image: Image) -> None:
        path = plus_exports["gridsample"].path
        (ours,) = found_by(path, [nano_image], runtime="openvino")
        assert_same(ours, found_by(path, [nano_image])[0])
        with pytest.raises(ModelFileError, match="--deform-conv gridsample"):
            Predictor.open(plus_exports["onnx"].path, runtime="openvino")

    def test_batches(self, nano_dynamic_onnx: Path, nano_image: Image) -> None:
        images = [nano_image, np.ascontiguousarray(nano_image[::-1]), nano_image]
        for ours, theirs in zip(
            found_by(nano_dynamic_onnx, images, runtime="openvino"), found_by(nano_dynamic_onnx, images), strict=True
        ):
            assert_same(ours, theirs)

    def test_int8(self, int8: dict[str, Path], nano_image: Image) -> None:
        with Predictor.open(int8["cpu"], runtime="openvino", threads=1) as predictor:
            (ours,) = predictor.detect([nano_image])
            assert predictor.metadata.precision == "int8"
        (theirs,) = found_by(int8["cpu"], [nano_image])
        ours, theirs = ours.above(0.3), theirs.above(0.3)
        assert len(match_detections(theirs.classes, theirs.boxes, ours.classes, ours.boxes)) == len(theirs) > 5
        with pytest.raises(ModelFileError, match="quantised for TensorRT"):
            Predictor.open(int8["tensorrt"], runtime="openvino")

    def test_bf16_is_said_and_held_to_its_gate(self, nano_onnx: Path, nano_image: Image) -> None:
        try:
            predictor = Predictor.open(nano_onnx, runtime="openvino", precision="bf16", threads=1)
        except YolactDeployError as error:
            pytest.skip(str(error))
        with predictor:
            assert predictor.metadata.precision == "bf16"
            assert "bf16" in predictor.description
            (ours,) = predictor.detect([nano_image])
        (exact,) = found_by(nano_onnx, [nano_image])
        assert np.abs(ours.scores[:5] - exact.scores[:5]).max() > 1e-5  # rounded indeed

    def test_a_name_says_it_all(self, nano_onnx: Path, int8: dict[str, Path], nano_image: Image) -> None:
        with Predictor.open(f"{nano_onnx}@openvino", threads=1) as predictor:
            assert predictor.description.startswith("OpenVINO 2")
            assert "bf16" not in predictor.description
        with pytest.raises(YolactDeployError, match="is int8, and bf16 is for fp32 files"):
            Predictor.open(f"{int8['cpu']}@openvino-bf16")

    def test_results_outlive_the_next_call(self, nano_onnx: Path, nano_image: Image) -> None:
        with Predictor.open(nano_onnx, runtime="openvino", threads=1) as predictor:
            (first,) = predictor.detect([nano_image])
            before = first.masks.copy()
            predictor.detect([np.zeros_like(nano_image)])
        np.testing.assert_array_equal(first.masks, before)
        with pytest.raises(YolactDeployError, match="closed"):
            predictor.detect([nano_image])

    def test_masks_at_image_size_are_refused(self, nano_image_masks_onnx: Path) -> None:
        with pytest.raises(ModelFileError, match="--masks prototype"):
            Predictor.open(nano_image_masks_onnx, runtime="openvino")

    def test_cuda_is_refused(self, nano_onnx: Path) -> None:
        with pytest.raises(YolactDeployError, match="OpenVINO runs on the CPU"):
            Predictor.open(nano_onnx, runtime="openvino", device="cuda")


def test_without_openvino(nano_onnx: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    picture = NANO / "images/000000001000.jpg"
    message = fails(capsys, "infer", picture, "-m", nano_onnx, "--runtime", "openvino", "-o", tmp_path / "x.jpg")
    assert 'pip install "yolact-deploy[openvino]"' in message


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"runtime": "tract"}, "unknown runtime 'tract'"),
        ({"runtime": "openvino", "precision": "fp16"}, "unknown precision 'fp16'"),
        ({"precision": "bf16"}, "a precision is chosen with openvino alone"),
        ({"runtime": "onnxruntime", "precision": "bf16"}, "a precision is chosen with openvino alone"),
    ],
)
def test_choices_that_do_not_exist(nano_onnx: Path, options: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Predictor.open(nano_onnx, **options)  # type: ignore[arg-type]


def test_other_files_have_no_choice(nano_weights: Path) -> None:
    with pytest.raises(YolactDeployError, match="is no ONNX file"):
        Predictor.open(nano_weights, runtime="openvino")


def test_an_at_sign_in_a_name(nano_onnx: Path, tmp_path: Path) -> None:
    odd = tmp_path / "me@home.onnx"
    shutil.copy(nano_onnx, odd)
    Predictor.open(odd, device="cpu").close()
    Predictor.open(f"{odd}@onnxruntime", device="cpu").close()
    with pytest.raises(ConfigError, match="unknown runtime 'tensor'"):
        Predictor.open(f"{odd}@tensor")
