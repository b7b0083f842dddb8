"""Cut-outs, and names of pictures."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.inference.results import grey, mask_of, result
from yolact_deploy.errors import OutputError
from yolact_deploy.files import MAX_NAME_BYTES, file_name
from yolact_deploy.formats.window import window_of
from yolact_deploy.inference.picture_sinks import CutoutFolder, PictureFolder


def test_cutouts(tmp_path: Path) -> None:
    image = np.random.default_rng(0).integers(0, 255, (48, 64, 3)).astype(np.uint8)
    sink = CutoutFolder(tmp_path, ("cat", "hot dog/猫"))
    found = result(0, image, "a.jpg", classes=(1, 0, 7))
    no_pixel = window_of(np.zeros((48, 64), np.bool_))
    found = replace(found, detections=replace(found.detections, masks=(*found.detections.masks[:2], no_pixel)))
    sink.write(found)
    assert sorted(os.listdir(tmp_path)) == ["a.jpg_01_hot-dog-猫.png", "a.jpg_02_cat.png"]
    cutout = cv2.imdecode(np.fromfile(tmp_path / "a.jpg_02_cat.png", np.uint8), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(cutout[:, :, :3], image[1:9, 2:12])
    np.testing.assert_array_equal(cutout[:, :, 3] == 255, mask_of(found, 0)[1:9, 2:12])
    assert set(np.unique(cutout[:, :, 3])) == {0, 255}
    with pytest.raises(OutputError, match="not empty"):
        CutoutFolder(tmp_path, ())


@pytest.mark.parametrize("letter", ["x", "é", "🐈"])
def test_names_are_cut_to_what_file_systems_take(tmp_path: Path, letter: str) -> None:
    name = file_name(letter * 250, "_01_cat.png")
    assert MAX_NAME_BYTES - 4 < len(name.encode()) <= MAX_NAME_BYTES
    PictureFolder(tmp_path).write(result(0, grey(9), name))
    assert os.listdir(tmp_path) == [name]
