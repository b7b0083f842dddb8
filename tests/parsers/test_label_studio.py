"""Tasks that `infer --label-studio` writes, read by Label Studio's own converter: scores and holes stay."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.conftest import NANO
from tests.parsers.apart import apart
from tests.running import Captured, fails, succeeds
from yolact_deploy.detections import Detections
from yolact_deploy.predictor import Predictor

PICTURES = sorted((NANO / "images").iterdir())[:2]
CONFIG = """<View><Image name="image" value="$image"/><BrushLabels name="tag" toName="image">
<Label value="disk"/><Label value="square"/><Label value="triangle"/><Label value="star"/><Label value="ring"/>
<Label value="cross"/></BrushLabels></View>"""
SCRIPT = """
import json, sys, tempfile
import numpy as np
from label_studio_sdk.converter import Converter
from label_studio_sdk.converter.brush import decode_from_annotation
tasks, config = json.load(open(sys.argv[1])), sys.argv[2]
converter = Converter(config, tempfile.mkdtemp(), download_resources=False)
read = []
for task in tasks:
    (prediction,) = task.pop("predictions")
    task.update(id=1, annotations=[{"id": 1, "result": prediction["result"]}])  # as a person accepts it
    (item,) = converter.annotation_result_from_task(task)
    layers = decode_from_annotation("tag", item["output"]["tag"])
    read.append([item["input"]["image"], [[name, np.flatnonzero(mask).tolist()] for name, mask in layers.items()]])
print(json.dumps(read))
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    shutil.copy(PICTURES[0], tmp_path / "in" / "a #1.jpg")
    shutil.copy(PICTURES[1], tmp_path / "in" / "b.jpg")
    return tmp_path


@pytest.fixture
def found(nano_onnx: Path) -> list[Detections]:
    with Predictor.open(nano_onnx, device="cpu", score_threshold=0.3) as predictor:
        return predictor.batch(PICTURES)


def written(capsys: Captured, folder: Path, model: Path, *options: str) -> list[dict[str, Any]]:
    target = folder / "tasks.json"
    succeeds(capsys, "infer", folder / "in", "-m", model, "--label-studio", target, "--device", "cpu", *options)
    tasks: list[dict[str, Any]] = json.loads(target.read_text())
    return tasks


def test_scores_and_names_are_in_the_tasks(
    capsys: Captured, folder: Path, nano_onnx: Path, found: list[Detections]
) -> None:
    tasks = written(capsys, folder, nano_onnx, "--label-studio-prefix", "/data/local-files/?d=in/")
    assert [task["data"]["image"] for task in tasks] == [
        "/data/local-files/?d=in/a%20%231.jpg",
        "/data/local-files/?d=in/b.jpg",
    ]
    for task, expected in zip(tasks, found, strict=True):
        (prediction,) = task["predictions"]
        assert prediction["score"] == pytest.approx(expected.scores.mean())
        assert prediction["model_version"] == "yolact_nano"
        regions = prediction["result"]
        np.testing.assert_array_equal(np.array([each["score"] for each in regions], np.float32), expected.scores)
        assert [each["value"]["brushlabels"] for each in regions] == [[name] for name in expected.names]
        assert len({each["id"] for each in regions}) == len(regions)
        sizes = {(each["original_height"], each["original_width"]) for each in regions}
        assert sizes == {(expected.height, expected.width)}


def test_a_picture_without_detections_is_a_task_too(capsys: Captured, folder: Path, nano_onnx: Path) -> None:
    tasks = written(capsys, folder, nano_onnx, "--score", "1")
    assert [task["predictions"][0]["result"] for task in tasks] == [[], []]
    assert [task["data"]["image"] for task in tasks] == ["a #1.jpg", "b.jpg"]


def test_what_cannot_be_a_task(capsys: Captured, folder: Path, nano_onnx: Path) -> None:
    video = folder / "v.avi"
    import cv2

    writer = cv2.VideoWriter(str(video), cv2.VideoWriter.fourcc(*"MJPG"), 10, (64, 48))
    writer.write(np.zeros((48, 64, 3), np.uint8))
    writer.release()
    tasks = folder / "tasks.json"
    assert "ffmpeg" in fails(capsys, "infer", video, "-m", nano_onnx, "--label-studio", tasks)
    line = fails(capsys, "infer", folder / "in", "-m", nano_onnx, "--json", tasks, "--label-studio-prefix", "x")
    assert "--label-studio FILE" in line
    assert "same name" in fails(
        capsys, "infer", folder / "in", "-m", nano_onnx, "--json", tasks, "--label-studio", tasks
    )
    assert not tasks.exists()


@pytest.mark.slow
def test_label_studio_reads_the_masks(capsys: Captured, folder: Path, nano_onnx: Path, found: list[Detections]) -> None:
    written(capsys, folder, nano_onnx)
    read = json.loads(apart("label_studio_sdk", SCRIPT, folder / "tasks.json", CONFIG))
    assert [image for image, _ in read] == ["a #1.jpg", "b.jpg"]
    for (_, layers), expected in zip(read, found, strict=True):
        assert [name.split("-")[1] for name, _ in layers] == expected.names.tolist()
        assert [pixels for _, pixels in layers] == [np.flatnonzero(mask).tolist() for mask in expected.masks]
