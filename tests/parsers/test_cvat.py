"""The example of an auto-annotation function, called and checked as CVAT's SDK does it: scores and holes stay."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.conftest import ROOT
from tests.rings import SIZE, found_rings
from yolact_deploy.predictor import Predictor
from yolact_deploy.types import Image

driver = pytest.importorskip("cvat_sdk.auto_annotation.driver", reason="no cvat-sdk: pip install cvat-sdk")
masks = pytest.importorskip("cvat_sdk.masks")
loading = pytest.importorskip("importlib.util")
pictures = pytest.importorskip("PIL.Image")

TASK_IDS = {"disk": 31, "square": 32, "triangle": 33, "star": 34, "ring": 35, "cross": 36}


@pytest.fixture
def function(nano_onnx: Path) -> Any:
    spec = loading.spec_from_file_location("cvat_function", ROOT / "examples/cvat_function.py")
    module = loading.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.create(str(nano_onnx), device="cpu")


def annotated(function: Any, image: Image, **context: Any) -> list[Any]:
    """The shapes that CVAT would store, checked by its own driver."""
    labels = [
        driver.models.Label(name=name, id=number, type="any", attributes=[], sublabels=[])
        for name, number in TASK_IDS.items()
    ]
    mapper = driver._AnnotationMapper(
        logging.getLogger(__name__), function.spec.labels, labels, allow_unmatched_labels=False, conv_mask_to_poly=False
    )
    made = function.detect(
        driver._DetectionFunctionContextImpl(frame_name="a.jpg", **context), pictures.fromarray(image[:, :, ::-1])
    )
    tags, shapes = mapper.validate_and_remap(made, 0)
    assert tags == []
    return list(shapes)


@pytest.mark.parametrize("lowest", [None, 0.5, 0.0])
def test_shapes_are_the_detections(function: Any, nano_onnx: Path, nano_image: Image, lowest: float | None) -> None:
    with Predictor.open(nano_onnx, device="cpu", score_threshold=0.3 if lowest is None else lowest) as predictor:
        expected = [one for one in predictor(nano_image) if one.mask.any()]
    shapes = annotated(function, nano_image, conf_threshold=lowest)
    assert len(shapes) == len(expected) > 0
    for shape, one in zip(shapes, expected, strict=True):
        assert shape.label_id == TASK_IDS[one.name]
        assert shape.score == one.score
        height, width = nano_image.shape[:2]
        np.testing.assert_array_equal(masks.decode_mask(shape.points, image_width=width, image_height=height), one.mask)


def test_holes_are_kept(function: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Predictor, "__call__", lambda self, image: found_rings())
    shapes = annotated(function, np.zeros((*SIZE, 3), np.uint8))
    for shape, mask in zip(shapes, found_rings().masks, strict=True):
        read = masks.decode_mask(shape.points, image_width=SIZE[1], image_height=SIZE[0])
        np.testing.assert_array_equal(read, mask)


def test_polygons_are_refused(function: Any) -> None:
    with pytest.raises(ValueError, match="no holes"):
        annotated(function, np.zeros((*SIZE, 3), np.uint8), conv_mask_to_poly=True)
