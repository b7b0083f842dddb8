"""COCO files, read by pycocotools."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.inference.results import grey, mask_of, result
from yolact_deploy.config import class_names
from yolact_deploy.config.model import ModelConfig
from yolact_deploy.errors import DataError, OutputError
from yolact_deploy.formats.window import window_of
from yolact_deploy.inference.coco_file import CocoFile, ResultsFile, SizeCheck
from yolact_deploy.inference.coco_ids import CocoIds, annotation_ids, model_ids

COCO = pytest.importorskip("pycocotools.coco").COCO

NANO = ModelConfig.named("yolact_nano")


def coco_file(
    path: Path, config: ModelConfig = NANO, as_polygons: bool = False, ids: CocoIds | None = None
) -> CocoFile:
    return CocoFile(path, ids or model_ids(config), config.rescores_masks, as_polygons)


@pytest.mark.parametrize("as_polygons", [False, True])
@pytest.mark.parametrize("name", ["yolact_nano", "yolact_plus_nano"])
def test_coco_file(tmp_path: Path, name: str, as_polygons: bool) -> None:
    path = tmp_path / "new" / "a.json"
    sink = coco_file(path, ModelConfig.named(name), as_polygons)
    for index, classes in enumerate(((2, 0), (), (5,))):
        sink.write(result(index, grey(0), "größe.png" if index == 0 else "", classes=classes))
    assert not path.exists()
    sink.close(keep=True)
    assert os.listdir(path.parent) == ["a.json"]
    data = COCO(str(path))
    data.loadRes(list(data.anns.values()))
    assert [image["file_name"] for image in data.imgs.values()] == ["größe.png", "1.png", "2.png"]
    assert all("time" not in image for image in data.imgs.values())
    assert [(item["image_id"], item["category_id"]) for item in data.anns.values()] == [(1, 3), (1, 1), (3, 6)]
    first = data.anns[1]
    assert first["bbox"] == [2, 1, 10, 8]
    assert np.float32(first["score"]) == np.float32(0.9)  # exactly
    assert first.get("mask_score") == (pytest.approx(0.45) if "plus" in name else None)
    np.testing.assert_array_equal(data.annToMask(first), mask_of(result(0, grey(0), classes=(2,)), 0))


def test_frames_of_a_video_have_their_time(tmp_path: Path) -> None:
    sink = coco_file(tmp_path / "a.json")
    sink.write(result(0, grey(0), time_s=1 / 3))
    sink.close(keep=True)
    assert json.loads((tmp_path / "a.json").read_text())["images"][0]["time"] == 0.333333


@pytest.mark.parametrize("as_polygons", [False, True])
def test_a_mask_without_a_pixel(tmp_path: Path, as_polygons: bool) -> None:
    sink = coco_file(tmp_path / "a.json", as_polygons=as_polygons)
    found = result(0, grey(0), classes=(2,))
    no_pixel = window_of(np.zeros((48, 64), np.bool_))
    sink.write(replace(found, detections=replace(found.detections, masks=(no_pixel,))))
    sink.close(keep=True)
    data = COCO(str(tmp_path / "a.json"))
    assert data.anns[1]["area"] == 0
    assert data.annToMask(data.anns[1]).sum() == 0


def test_files_without_results_or_given_up(tmp_path: Path) -> None:
    coco_file(tmp_path / "a.json").close(keep=True)
    assert json.loads((tmp_path / "a.json").read_text())["annotations"] == []
    ResultsFile(tmp_path / "r.json", model_ids(NANO)).close(keep=True)
    assert json.loads((tmp_path / "r.json").read_text()) == []
    with pytest.raises(OutputError, match="--force"):
        coco_file(tmp_path / "a.json")
    for sink in (coco_file(tmp_path / "b.json"), ResultsFile(tmp_path / "c.json", model_ids(NANO))):
        sink.write(result(0, grey(0), classes=(0,)))
        sink.close(keep=False)
    assert sorted(os.listdir(tmp_path)) == ["a.json", "r.json"]


def test_a_link_stays_one(tmp_path: Path) -> None:
    (tmp_path / "a.json").symlink_to(tmp_path / "real.json")
    coco_file(tmp_path / "a.json").close(keep=True)
    assert (tmp_path / "a.json").is_symlink()
    assert (tmp_path / "real.json").is_file()


def test_ids_of_a_model() -> None:
    ids = model_ids(ModelConfig.named("yolact_resnet50"))
    by_name = dict(zip(class_names.COCO, ids.category_ids, strict=True))
    assert [by_name[name] for name in ("person", "stop sign", "cat", "toothbrush")] == [1, 13, 17, 90]
    assert model_ids(NANO).category_ids == (1, 2, 3, 4, 5, 6)


def annotations(path: Path, names: dict[str, int], images: dict[str, int]) -> Path:
    content = {
        "categories": [{"id": number, "name": name} for name, number in names.items()],
        "images": [{"id": number, "file_name": name} for name, number in images.items()],
        "annotations": [],
    }
    path.write_text(json.dumps(content))
    return path


def test_ids_of_annotations(tmp_path: Path) -> None:
    names = dict(zip([name.upper() for name in NANO.class_names], (7, 3, 90, 12, 5, 6), strict=True))
    del names[NANO.class_names[1].upper()]
    path = annotations(tmp_path / "i.json", names, {"deep/0.png": 50, "other/1.png": 7, "more/1.png": 8, "2.png": 9})
    ids = annotation_ids(path, NANO)
    assert ids.category_ids == (7, None, 90, 12, 5, 6)
    assert NANO.class_names[1] in ids.notes[0]
    (note,) = ids.missing_pictures(["0.png", "x.png"])
    assert "x.png" in note
    for sink in (coco_file(tmp_path / "a.json", ids=ids), ResultsFile(tmp_path / "r.json", ids)):
        for index in range(3):
            sink.write(result(index, grey(0), classes=(1, 2)))
        sink.close(keep=True)
    written = json.loads((tmp_path / "a.json").read_text())
    # 1.png is the name of two images: neither is meant for sure.
    assert [(image["id"], image["file_name"]) for image in written["images"]] == [(50, "0.png"), (9, "2.png")]
    assert [(item["image_id"], item["category_id"]) for item in written["annotations"]] == [(50, 90), (9, 90)]
    assert len(COCO(str(path)).loadRes(str(tmp_path / "r.json")).anns) == 2


def test_a_picture_of_another_size_than_its_annotations_is_said(tmp_path: Path) -> None:
    path = annotations(tmp_path / "i.json", {NANO.class_names[0]: 1}, {"0.png": 1, "1.png": 2, "2.png": 3})
    content = json.loads(path.read_text())
    content["images"][0].update(width=48, height=64)
    content["images"][1].update(width=64, height=48)
    path.write_text(json.dumps(content))
    notes: list[str] = []
    sink = SizeCheck(annotation_ids(path, NANO), notes.append)
    for index in range(4):
        sink.write(result(index, grey(0)))
    sink.close(keep=True)
    (note,) = notes
    assert "0.png (64x48 px, not 48x64)" in note
    assert "1.png" not in note


def test_numbered_classes_are_the_categories_in_order(tmp_path: Path) -> None:
    generic = ModelConfig.named("yolact_nano")
    generic = replace(generic, class_names=tuple(f"class {index}" for index in range(6)))
    if not generic.has_generic_names:
        pytest.skip("another form of numbered names")
    path = annotations(tmp_path / "i.json", {name: number for number, name in enumerate("fedcba", 10)}, {"a": 1})
    assert annotation_ids(path, generic).category_ids == (10, 11, 12, 13, 14, 15)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", "not valid JSON"),
        ("[" * 100_000, "not valid JSON"),
        ("[]", "categories"),
        ('{"categories": [], "images": []}', "categories"),
        ('{"categories": [{"id": 1, "name": "disk"}], "images": null}', "images"),
        ('{"categories": [{"id": "1", "name": "disk"}], "images": []}', "whole number"),
        ('{"categories": [{"id": true, "name": "disk"}], "images": []}', "whole number"),
        ('{"categories": [{"id": 1, "name": "zebra"}], "images": [{"id": 1, "file_name": "a"}]}', "zebra"),
    ],
)
def test_annotations_that_cannot_be_used(tmp_path: Path, content: str, words: str) -> None:
    (tmp_path / "i.json").write_text(content)
    with pytest.raises(DataError, match=words):
        annotation_ids(tmp_path / "i.json", NANO)


def test_pictures_that_do_not_fit_the_annotations(tmp_path: Path) -> None:
    names: dict[str, Any] = {name: number for number, name in enumerate(NANO.class_names, 1)}
    ids = annotation_ids(annotations(tmp_path / "i.json", names, {"a.png": 1}), NANO)
    ids.check_pictures(["a.png"])
    ids.check_pictures([])  # of a video nobody knows the names before
    with pytest.raises(DataError, match="none of the pictures"):
        ids.check_pictures(["b.png"])
    with pytest.raises(DataError, match="are both image 1"):
        ids.check_pictures(["x/a.png", "y/a.png"])
