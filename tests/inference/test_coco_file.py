"""COCO files, read by pycocotools."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.inference.results import grey, mask_of, result
from yolact_deploy.config import class_names
from yolact_deploy.config.model import ModelConfig
from yolact_deploy.errors import OutputError
from yolact_deploy.inference.coco_file import CocoFile, category_ids
from yolact_deploy.ops.masks import window_of

COCO = pytest.importorskip("pycocotools.coco").COCO


@pytest.mark.parametrize("as_polygons", [False, True])
@pytest.mark.parametrize("name", ["yolact_nano", "yolact_plus_nano"])
def test_coco_file(tmp_path: Path, name: str, as_polygons: bool) -> None:
    path = tmp_path / "new" / "a.json"
    sink = CocoFile(path, ModelConfig.named(name), as_polygons)
    for index, classes in enumerate(((2, 0), (), (5,))):
        sink.write(result(index, grey(0), "größe.png" if index == 0 else "", classes=classes))
    assert not path.exists()
    sink.close(keep=True)
    assert os.listdir(path.parent) == ["a.json"]
    data = COCO(str(path))
    data.loadRes(list(data.anns.values()))
    assert [image["file_name"] for image in data.imgs.values()] == ["größe.png", "1.png", "2.png"]
    assert [(item["image_id"], item["category_id"]) for item in data.anns.values()] == [(1, 3), (1, 1), (3, 6)]
    first = data.anns[1]
    assert first["bbox"] == [2, 1, 10, 8]
    assert first["score"] == pytest.approx(0.9)
    assert first.get("mask_score") == (pytest.approx(0.45) if "plus" in name else None)
    np.testing.assert_array_equal(data.annToMask(first), mask_of(result(0, grey(0), classes=(2,)), 0))


@pytest.mark.parametrize("as_polygons", [False, True])
def test_a_mask_without_a_pixel(tmp_path: Path, as_polygons: bool) -> None:
    sink = CocoFile(tmp_path / "a.json", ModelConfig.named("yolact_nano"), as_polygons)
    found = result(0, grey(0), classes=(2,))
    no_pixel = window_of(np.zeros((48, 64), np.bool_))
    sink.write(replace(found, detections=replace(found.detections, masks=(no_pixel,))))
    sink.close(keep=True)
    data = COCO(str(tmp_path / "a.json"))
    assert data.anns[1]["area"] == 0
    assert data.annToMask(data.anns[1]).sum() == 0


def test_a_coco_file_without_results_or_given_up(tmp_path: Path) -> None:
    config = ModelConfig.named("yolact_nano")
    CocoFile(tmp_path / "a.json", config).close(keep=True)
    assert json.loads((tmp_path / "a.json").read_text())["annotations"] == []
    with pytest.raises(OutputError, match="--force"):
        CocoFile(tmp_path / "a.json", config)
    sink = CocoFile(tmp_path / "b.json", config)
    sink.write(result(0, grey(0), classes=(0,)))
    sink.close(keep=False)
    assert os.listdir(tmp_path) == ["a.json"]


def test_category_ids() -> None:
    ids = category_ids(class_names.COCO)
    assert len(ids) == 80
    by_name = dict(zip(class_names.COCO, ids, strict=True))
    assert [by_name[name] for name in ("person", "stop sign", "cat", "toothbrush")] == [1, 13, 17, 90]
    assert category_ids(("a", "b")) == (1, 2)
