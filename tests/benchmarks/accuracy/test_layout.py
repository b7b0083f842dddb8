"""The layouts of data sets that people have."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.benchmarks.conftest import HEIGHT, WIDTH, tiny_content
from yolact_deploy.benchmarks.accuracy.dataset import load_dataset
from yolact_deploy.benchmarks.accuracy.layout import find_layout, names_training
from yolact_deploy.errors import DataError


def write(root: Path, annotations: str, pictures: str, prefix: str = "") -> None:
    """A tiny data set with its annotations and its pictures at these places below `root`."""
    content = tiny_content()
    path = root / annotations
    path.parent.mkdir(parents=True, exist_ok=True)
    (root / pictures).mkdir(parents=True, exist_ok=True)
    for entry in content["images"]:
        cv2.imwrite(str(root / pictures / entry["file_name"]), np.full((HEIGHT, WIDTH, 3), 90, np.uint8))
        entry["file_name"] = prefix + entry["file_name"]
    path.write_text(json.dumps(content))


@pytest.mark.parametrize(
    ("annotations", "pictures", "prefix", "data"),
    [
        ("instances.json", "images", "", "."),
        ("annotations/instances_val2017.json", "val2017", "", "val2017"),
        ("annotations/instances_val2017.json", "val2017", "", "."),
        ("annotations/instances_val2017.json", "images/val2017", "", "images/val2017"),
        ("annotations/instances_val2017.json", "images/val2017", "", "."),
        ("_annotations.coco.json", ".", "", "."),  # Roboflow, one part
        ("valid/_annotations.coco.json", "valid", "", "."),  # and its root
        ("annotations/instances_default.json", "images", "", "."),  # CVAT
        ("annotations/instances_default.json", "images/default", "", "."),
        ("result.json", "images", "images/", "."),  # Label Studio
        ("result.json", "images", "images\\", "."),  # on Windows
        ("result.json", "images", "/data/upload/1/", "."),  # with the addresses of its server
        ("annotations.json", "JPEGImages", "JPEGImages/", "."),  # labelme's own script
        ("dataset.json", ".", "", "."),  # labelme2coco
        ("labels.json", "data", "", "."),  # FiftyOne
    ],
)
def test_known_layouts(tmp_path: Path, annotations: str, pictures: str, prefix: str, data: str) -> None:
    write(tmp_path, annotations, pictures, prefix)
    dataset = load_dataset(tmp_path / data)
    assert dataset.annotation_file.resolve() == (tmp_path / annotations).resolve()
    assert len(dataset.images) == 3
    assert {image.read().shape for image in dataset.images} == {(HEIGHT, WIDTH, 3)}


def test_the_file_can_be_named(tmp_path: Path) -> None:
    write(tmp_path, "labels/mine.txt", "pictures")
    named = tmp_path / "labels/mine.txt"
    assert len(load_dataset(tmp_path / "pictures", annotations=named).images) == 3
    write(tmp_path, "here/any.json", "here")
    assert len(load_dataset(None, annotations=tmp_path / "here/any.json").images) == 3
    with pytest.raises(DataError, match="no such file of annotations"):
        load_dataset(tmp_path, annotations=tmp_path / "nowhere.json")


def test_the_only_part_that_is_not_for_training_is_taken_and_said(tmp_path: Path) -> None:
    for part in ("train", "valid"):
        write(tmp_path, f"{part}/_annotations.coco.json", part)
    dataset = load_dataset(tmp_path)
    assert dataset.annotation_file.parent.name == "valid"
    assert "valid/_annotations.coco.json" in dataset.notes[0]
    write(tmp_path, "test/_annotations.coco.json", "test")
    with pytest.raises(DataError, match=r"several files of annotations .*test.*train.*valid.*--annotations"):
        load_dataset(tmp_path)
    assert len(load_dataset(tmp_path / "test").images) == 3


def test_a_name_that_two_pictures_share_is_not_guessed(tmp_path: Path) -> None:
    write(tmp_path, "result.json", "images")
    content = tiny_content()
    for number, entry in enumerate(content["images"]):
        entry["file_name"] = f"http://server/{number}/a.png"
    (tmp_path / "result.json").write_text(json.dumps(content))
    with pytest.raises(DataError, match=r"is missing \(and 2 more images\)"):
        load_dataset(tmp_path)


def test_other_json_is_no_annotation(tmp_path: Path) -> None:
    write(tmp_path, "coco.json", "images")
    (tmp_path / "bench.json").write_text('{"models": [], "images": 3}')
    assert find_layout(tmp_path).annotations.name == "coco.json"
    (tmp_path / "coco.json").unlink()
    with pytest.raises(DataError, match="has no annotations"):
        find_layout(tmp_path)


def test_annotations_for_pictures_of_another_size(tmp_path: Path) -> None:
    write(tmp_path, "instances.json", "images")
    content = tiny_content()
    for entry in content["images"]:
        entry.update(height=2 * HEIGHT, width=2 * WIDTH)
    content["annotations"] = content["annotations"][:1]
    (tmp_path / "instances.json").write_text(json.dumps(content))
    with pytest.raises(DataError, match=r"are for pictures of 2 times this size"):
        load_dataset(tmp_path).images[0].read()


@pytest.mark.parametrize("name", ["train2017", "instances_train", "training", "trainval", "Train", "a_train_1"])
def test_names_of_training(name: str) -> None:
    assert names_training(name)


@pytest.mark.parametrize("name", ["val2017", "strain", "trains", "restraint", "test"])
def test_names_of_other_parts(name: str) -> None:
    assert not names_training(name)
