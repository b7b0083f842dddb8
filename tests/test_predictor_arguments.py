"""What newcomers pass to a predictor, and what it says of itself."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import NANO
from yolact_deploy.errors import ImageError, YolactDeployError
from yolact_deploy.predictor import Predictor
from yolact_deploy.types import Image


def test_it_says_what_it_is(nano_onnx: Path) -> None:
    with Predictor.open(nano_onnx, device="cpu", threads=1) as predictor:
        shown = repr(predictor)
        assert nano_onnx.name in shown
        assert "yolact_nano, 6 classes, fp32, ONNX Runtime" in shown
    assert "closed" in repr(predictor)


def test_a_picture_by_its_path_as_an_array_or_from_pil(nano_onnx: Path, nano_image: Image) -> None:
    pil = pytest.importorskip("PIL.Image")
    path = NANO / "images/000000001000.jpg"
    with Predictor.open(nano_onnx, device="cpu", score_threshold=0.3) as predictor:
        expected = predictor(nano_image)
        assert expected.names[0] == "disk"
        assert predictor(path) == predictor(str(path)) == predictor(pil.open(path)) == expected
        assert predictor.batch([path, nano_image]) == [expected, expected]
        with pytest.raises(ImageError, match="put a single image into a list"):
            predictor.batch(nano_image)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"config": "yolact_base"}, "ModelConfig.named"),
        ({"postprocess": {"top_k": 3}}, "PostprocessConfig"),
        ({"threads": "2"}, "threads '2'"),
        ({"device": 0}, "unknown device 0"),
        ({"class_names": "a,b"}, "a list of texts"),
        ({"class_names": ["a", "b"]}, "6 classes"),
        ({"class_names": ["a", "", "c", "d", "e", "f"]}, "name 2 is empty"),
        ({"score_threshold": "0.3"}, "'0.3'"),
        ({"score_threshold": None}, "None"),
        ({"thresholds": 0.3}, "by class name"),
    ],
)
def test_values_of_another_kind(nano_onnx: Path, options: dict[str, Any], words: str) -> None:
    with pytest.raises(YolactDeployError, match=re.escape(words)):
        Predictor.open(nano_onnx, **options)


def test_no_path_at_all(nano_onnx: Path) -> None:
    with pytest.raises(YolactDeployError, match=re.escape(f"Predictor.open({str(nano_onnx)!r})")):
        Predictor(str(nano_onnx))  # type: ignore[arg-type]
    with pytest.raises(YolactDeployError, match="by its path, not from None"):
        Predictor.open(None)  # type: ignore[arg-type]
