"""Detections in COCO's formats, read by pycocotools, supervision and datumaro: scores and holes stay."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from tests.conftest import NANO
from tests.parsers.apart import apart
from tests.rings import NAMES, SIZE, found_rings
from tests.running import Captured, succeeds
from yolact_deploy import coco_instances, draw_detections
from yolact_deploy.detections import Detections
from yolact_deploy.predictor import Predictor

SCORES = [0.9, 0.8, 0.7, 0.6, 0.43]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A data set as other programs have it: a picture, and annotations with run lengths and with polygons."""
    (tmp_path / "images").mkdir()
    cv2.imwrite(str(tmp_path / "images/7.png"), np.zeros((*SIZE, 3), np.uint8))
    for name, as_polygons in (("runs", False), ("polygons", True)):
        content = coco_instances({"7.png": found_rings()}, as_polygons=as_polygons)
        (tmp_path / f"{name}.json").write_text(json.dumps(content))
    return tmp_path


@pytest.mark.parametrize("name", ["runs", "polygons"])
def test_pycocotools_reads_instances(folder: Path, name: str) -> None:
    coco = pytest.importorskip("pycocotools.coco").COCO(str(folder / f"{name}.json"))
    assert [(each["id"], each["name"]) for each in coco.loadCats(coco.getCatIds())] == [(1, "bolt"), (2, "nut")]
    annotations = coco.loadAnns(coco.getAnnIds(imgIds=[7]))
    assert [annotation["score"] for annotation in annotations] == SCORES
    for annotation, mask in zip(annotations, found_rings().masks, strict=True):
        np.testing.assert_array_equal(coco.annToMask(annotation) > 0, mask)


def test_pycocotools_takes_results_of_several_pictures(folder: Path) -> None:
    truth = pytest.importorskip("pycocotools.coco").COCO(str(folder / "runs.json"))
    results = truth.loadRes([*found_rings().to_coco(7), *found_rings()[:1].to_coco(7)])
    annotations = results.loadAnns(results.getAnnIds(imgIds=[7]))
    assert [annotation["score"] for annotation in annotations] == [*SCORES, 0.9]
    np.testing.assert_array_equal(results.annToMask(annotations[1]) > 0, found_rings().masks[1])


def test_instances_are_what_infer_writes(capsys: Captured, tmp_path: Path, nano_onnx: Path) -> None:
    pictures = [NANO / "images/000000001000.jpg", NANO / "images/000000001037.jpg"]
    with Predictor.open(nano_onnx, device="cpu", score_threshold=0.3) as predictor:
        found = {path.name: predictor(path) for path in pictures}
    assert draw_detections(pictures[0], found[pictures[0].name]).shape == (384, 300, 3)
    (tmp_path / "in").mkdir()
    for path in pictures:
        (tmp_path / "in" / path.name).write_bytes(path.read_bytes())
    for option, as_polygons in (("--json", False), ("--polygons", True)):
        target = tmp_path / f"{as_polygons}.json"
        succeeds(capsys, "infer", tmp_path / "in", "-m", nano_onnx, option, target, "--device", "cpu")
        assert json.loads(target.read_text()) == json.loads(json.dumps(coco_instances(found, as_polygons=as_polygons)))


def test_supervision_takes_detections() -> None:
    supervision = pytest.importorskip("supervision")
    found = found_rings()
    taken = found.to_supervision()
    assert isinstance(taken, supervision.Detections)
    assert len(taken) == 5
    np.testing.assert_array_equal(taken.xyxy, found.boxes)
    np.testing.assert_array_equal(np.asarray(taken.mask), found.masks)
    np.testing.assert_array_equal(taken.confidence, found.scores)
    np.testing.assert_array_equal(taken.class_id, found.classes)
    assert taken["class_name"].tolist() == found.names.tolist()
    assert len(taken[taken.confidence > 0.65]) == 3
    drawn = supervision.MaskAnnotator().annotate(np.zeros((*SIZE, 3), np.uint8), taken)
    np.testing.assert_array_equal(drawn.any(axis=2), found.masks.any(axis=0))  # nothing in the holes
    assert len(Detections.empty(*SIZE).to_supervision()) == 0


@pytest.mark.filterwarnings("ignore")
def test_supervision_reads_a_data_set_of_run_lengths(folder: Path) -> None:
    supervision = pytest.importorskip("supervision")
    annotations = str(folder / "runs.json")
    read = supervision.DetectionDataset.from_coco(str(folder / "images"), annotations, force_masks=True)
    ((_, _, taken),) = list(read)
    assert read.classes == list(NAMES)
    np.testing.assert_array_equal(np.asarray(taken.mask), found_rings().masks)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["runs", "polygons"])
def test_datumaro_reads_instances(folder: Path, name: str) -> None:
    script = """
import json, sys
import numpy as np
from datumaro import Dataset
from datumaro.components.annotation import AnnotationType
(item,) = Dataset.import_from(sys.argv[1], "coco_instances")
masks = [each for each in item.annotations if each.type == AnnotationType.mask]
polygons = [each for each in item.annotations if each.type == AnnotationType.polygon]
print(json.dumps([
    sorted({each.attributes["score"] for each in item.annotations}, reverse=True),
    {each.attributes["score"]: np.flatnonzero(each.image).tolist() for each in masks},
    [each.points for each in polygons],
]))
"""
    found = found_rings()
    scores, masks, polygons = _read_by_datumaro(script, folder / f"{name}.json")
    assert scores == SCORES
    if name == "runs":
        expected = {str(score): np.flatnonzero(mask).tolist() for score, mask in zip(SCORES, found.masks, strict=True)}
        assert (masks, polygons) == (expected, [])
    else:
        assert len(polygons) == sum(map(len, found.polygons()))


def _read_by_datumaro(script: str, annotations: Path) -> Any:
    """datumaro takes a file that lies as in COCO's own data sets."""
    place = annotations.parent / annotations.stem / "annotations"
    place.mkdir(parents=True)
    (place.parent / "images").symlink_to(annotations.parent / "images")
    (place / "instances_val.json").write_text(annotations.read_text())
    return json.loads(apart("datumaro", script, place / "instances_val.json"))
