"""A rectangle of the frame: detections are those of the cut-out picture, moved."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.conftest import NANO
from yolact_deploy.errors import ConfigError, ImageError
from yolact_deploy.images import read_image
from yolact_deploy.inference.frames import Frame
from yolact_deploy.inference.options import InferOptions
from yolact_deploy.inference.region import Region
from yolact_deploy.inference.run import FrameStages
from yolact_deploy.inference.selection import Selection
from yolact_deploy.predictor import Predictor

PICTURE = NANO / "images/000000001000.jpg"


@pytest.mark.parametrize("text", ["0,0,300,384", "20,100,250,280", "0,0,299,1", "150,0,150,384"])
def test_detections_are_in_coordinates_of_the_whole_frame(nano_onnx: Path, text: str) -> None:
    region = Region.parse(text)
    image = read_image(PICTURE)
    options = InferOptions("", json=Path("-"), region=region, selection=Selection(0.1))
    with Predictor.open(nano_onnx, score_threshold=0.1) as predictor:
        stages = FrameStages(predictor, options)
        frame = Frame(0, 1, "a", image)
        found = stages.render(frame, stages.detect(frame)).detections
        rows, columns = slice(region.y, region.y + region.height), slice(region.x, region.x + region.width)
        expected = predictor(image[rows, columns].copy())
    assert (found.height, found.width) == image.shape[:2]
    np.testing.assert_array_equal(found.boxes, expected.boxes + [region.x, region.y] * 2)
    np.testing.assert_array_equal(found.scores, expected.scores)
    for mask, inner in zip(found.masks, expected.masks, strict=True):
        whole = np.zeros(image.shape[:2], np.bool_)
        whole[mask.rows, mask.columns] = mask.inside
        outer = np.zeros_like(whole)
        outer[rows, columns] = inner
        np.testing.assert_array_equal(whole, outer)
    assert text.endswith(",1") or len(found) > 0


@pytest.mark.parametrize(
    "text",
    ["", "1,2,3", "1,2,3,4,5", "a,0,1,1", "-1,0,5,5", "0,0,0,5", "0,0,5,0", "1.5,0,5,5", "٣,0,5,5", "0,0,9999999,5"],
)
def test_what_is_no_rectangle(text: str) -> None:
    with pytest.raises(ConfigError, match="--roi"):
        Region.parse(text)


@pytest.mark.parametrize("text", ["300,0,1,1", "0,384,1,1", "299,0,2,1", "0,380,10,5", "5000,5000,10,10"])
def test_out_of_the_frame(text: str) -> None:
    with pytest.raises(ImageError, match=f"--roi {text} .* is not inside 300x384 px"):
        Region.parse(text).of(read_image(PICTURE))
