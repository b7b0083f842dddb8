"""The benchmarks of `infer` and of drawing: what is counted, and what follows from it. No test looks at a time."""

from __future__ import annotations

import json
import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.running import Captured
from yolact_deploy.benchmarks.scripts import drawing, video
from yolact_deploy.benchmarks.scripts.drawing import made_up_detections, measure_drawing
from yolact_deploy.benchmarks.scripts.video import (
    StageCost,
    VideoResult,
    make_video,
    measure_video,
    print_result,
    to_json,
)
from yolact_deploy.errors import DataError
from yolact_deploy.formats.window import mask_window


def frames_in(path: Path) -> int:
    capture = cv2.VideoCapture(str(path))
    count = 0
    while capture.read()[0]:
        count += 1
    return count


def result(walls: tuple[float, ...], cpus: tuple[float, ...], together: float) -> VideoResult:
    stages = tuple(map(StageCost, video.STAGES, walls, cpus))
    return VideoResult(300, 5, 2, stages, together)


def test_the_ratio_is_to_the_slowest_stage(capsys: Captured) -> None:
    fast_model = result((2, 10, 3, 5), (2, 20, 3, 5), 16.5)
    assert fast_model.slowest.name == "model"
    assert fast_model.ratio == pytest.approx(1.65)
    assert fast_model.least_ms == pytest.approx(15)  # 30 ms of work for two cores
    one_thread = result((2, 20, 3, 5), (2, 20, 3, 5), 21)
    assert one_thread.ratio == pytest.approx(1.05)
    assert one_thread.least_ms == pytest.approx(20)
    print_result(fast_model)
    assert "1.65 times the slowest stage alone (model), 1.10 times the least" in capsys.readouterr().out
    assert to_json(fast_model)["ratio"] == pytest.approx(1.65)


def test_every_frame_goes_through_every_stage(tmp_path: Path, nano_onnx: Path) -> None:
    film = make_video(tmp_path / "film.mp4", 23)
    measured = measure_video(nano_onnx, film, tmp_path, runs=2, threads=1)
    assert (measured.frames, measured.runs) == (23, 2)
    assert [stage.name for stage in measured.stages] == ["decode", "model", "draw", "write"]
    assert all(stage.wall_ms > 0 for stage in measured.stages)
    assert measured.together_ms > 0
    assert sorted(os.listdir(tmp_path)) == ["alone.mp4", "film.mp4", "out.mp4"]
    assert frames_in(tmp_path / "alone.mp4") == frames_in(tmp_path / "out.mp4") == 23


def test_the_made_up_video(tmp_path: Path) -> None:
    film = make_video(tmp_path / "film.mp4", 12)
    capture = cv2.VideoCapture(str(film))
    first = capture.read()[1]
    assert first.shape == (720, 1280, 3)
    assert np.abs(capture.read()[1].astype(int) - first).mean() > 0.5  # it moves
    assert frames_in(film) == 12
    with pytest.raises(DataError, match="--video"):
        make_video(tmp_path / "none.mp4", 5, tmp_path / "nowhere")


def test_the_command_writes_json(tmp_path: Path, nano_onnx: Path, capsys: Captured) -> None:
    video.main([str(nano_onnx), "--frames", "11", "--runs", "1", "--json", str(tmp_path / "a.json")])
    content = json.loads((tmp_path / "a.json").read_text())
    assert (content["frames"], content["model"]) == (11, "nano.onnx")
    assert {"ratio", "least_ms", "slowest", "hardware", "stages", "together_ms"} <= content.keys()
    assert "11 frames" in capsys.readouterr().out
    with pytest.raises(SystemExit) as leaving:
        video.main([str(tmp_path / "none.onnx"), "--frames", "3"])
    assert leaving.value.code == 2
    assert "no such file" in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--runs", "--frames"])
@pytest.mark.parametrize("value", ["0", "-1", "two"])
def test_counts_are_positive(option: str, value: str, capsys: Captured) -> None:
    with pytest.raises(SystemExit) as leaving:
        video.main(["model.onnx", f"{option}={value}"])
    assert leaving.value.code == 2
    assert f"{value!r}: a whole number, 1 or more" in capsys.readouterr().err


def test_a_result_that_cannot_be_written_is_said(nano_onnx: Path, tmp_path: Path, capsys: Captured) -> None:
    with pytest.raises(SystemExit) as leaving:
        video.main([str(nano_onnx), "--frames", "3", "--runs", "1", "--json", str(tmp_path)])
    assert leaving.value.code == 2
    assert "cannot write" in capsys.readouterr().err


def test_made_up_masks_have_their_boxes() -> None:
    found = made_up_detections(20, 300, 400)
    assert found.masks.shape == (20, 300, 400)
    for box, mask in zip(found.boxes.tolist(), found.masks, strict=True):
        rows, columns = mask_window(mask)
        assert box == [columns.start, rows.start, columns.stop, rows.stop]
        assert mask.any()
    assert not np.array_equal(found.boxes, made_up_detections(20, 300, 400, seed=1).boxes)


def test_drawing_is_measured_with_both_kinds_of_masks(tmp_path: Path, capsys: Captured) -> None:
    measured = measure_drawing(3, 90, 160, calls=2)
    assert (measured.masks, measured.width, measured.height) == (3, 160, 90)
    assert measured.whole_ms > 0
    assert measured.windowed_ms > 0
    drawing.main(["--size", "160x90", "--calls", "1", "--json", str(tmp_path / "a.json")])
    assert json.loads((tmp_path / "a.json").read_text())["masks"] == 20
    assert "20 masks on 160x90 px" in capsys.readouterr().out
