"""Pictures for training, as far as names tell."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.benchmarks.conftest import tiny_content
from yolact_deploy.benchmarks.accuracy.dataset import DataImage, Dataset
from yolact_deploy.benchmarks.judge.hints.files import original_name, training_hints
from yolact_deploy.config.categories import Category


def dataset(folder: Path, annotations: str = "instances.json", names: tuple[str, ...] = ("a.jpg", "b.jpg")) -> Dataset:
    images = tuple(DataImage(number, folder / name, 10, 10) for number, name in enumerate(names))
    return Dataset(folder, folder / annotations, images, (Category(1, "dog"),), (), len(images), None, None)


@pytest.mark.parametrize(
    ("folder", "annotations", "names"),
    [
        ("train2017", "instances.json", ("a.jpg",)),
        ("coco", "annotations/instances_train2017.json", ("a.jpg",)),
        ("coco", "instances.json", ("train/a.jpg", "val/b.jpg")),
        ("coco", "instances.json", ("COCO_train2014_000000000009.jpg",)),
        ("export", "train/_annotations.coco.json", ("a.jpg",)),
    ],
)
def test_names_that_say_so(tmp_path: Path, folder: str, annotations: str, names: tuple[str, ...]) -> None:
    (hint,) = training_hints(dataset(tmp_path / folder, annotations, names))
    assert hint.cause == "training pictures"


def test_other_names_say_nothing(tmp_path: Path) -> None:
    assert training_hints(dataset(tmp_path / "val2017", "annotations/instances_val2017.json")) == []
    trains = replace(dataset(tmp_path / "railway", names=("train_1.jpg",)), categories=(Category(1, "Train"),))
    assert training_hints(trains) == []  # pictures of trains


def test_the_same_picture_in_a_part_for_training(tmp_path: Path) -> None:
    """Roboflow gives each copy a hash of its own."""
    for part, name in (("train", "a_jpg.rf.0123456789abcdef0123.jpg"), ("valid", "a_jpg.rf.fedcba98765432100000.jpg")):
        (tmp_path / part).mkdir()
        content = {**tiny_content(), "images": [{"id": 1, "file_name": name, "height": 10, "width": 10}]}
        (tmp_path / part / "_annotations.coco.json").write_text(json.dumps(content))
    found = dataset(tmp_path / "valid", "_annotations.coco.json", ("a_jpg.rf.fedcba98765432100000.jpg", "other.jpg"))
    (hint,) = training_hints(found)
    assert "1 of 2 pictures" in hint.text
    assert "train" in hint.text
    (tmp_path / "train/_annotations.coco.json").write_text("[" * 100_000)
    assert training_hints(found) == []


def test_names_before_roboflow() -> None:
    assert original_name("images/a_jpg.rf.0123456789abcdef0123.jpg") == "a_jpg.jpg"
    assert original_name("a.rf.jpg") == "a.rf.jpg"
