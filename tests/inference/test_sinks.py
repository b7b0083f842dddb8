"""What is written: run lengths, polygons, COCO files, videos, cut-outs, names."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.extra import numpy as arrays

from yolact_deploy import class_names
from yolact_deploy.config import ModelConfig
from yolact_deploy.errors import ConfigError, OutputError
from yolact_deploy.files import MAX_NAME_BYTES, file_name
from yolact_deploy.inference.coco_file import CocoFile, category_ids
from yolact_deploy.inference.frames import Frame, Result
from yolact_deploy.inference.picture_sinks import CutoutFolder, PictureFolder
from yolact_deploy.inference.polygons import mask_polygons
from yolact_deploy.inference.rle import encode_rle
from yolact_deploy.inference.selection import Selection, parse_classes
from yolact_deploy.inference.video_file import VideoFile
from yolact_deploy.inference.window import Window
from yolact_deploy.masks import window_of
from yolact_deploy.types import BoolArray, Image, NetworkDetections, WindowedDetections

coding = pytest.importorskip("pycocotools.mask")
COCO = pytest.importorskip("pycocotools.coco").COCO


def result(
    index: int, image: Image, name: str = "", time_s: float | None = None, classes: tuple[int, ...] = ()
) -> Result:
    """An image with one detection for each of `classes`, an L-shaped mask from (2, 1)."""
    height, width = image.shape[:2]
    count = len(classes)
    masks = np.zeros((count, height, width), np.bool_)
    masks[:, 1:9, 2:4] = masks[:, 7:9, 2:12] = True
    scores = np.linspace(0.9, 0.6, count, dtype=np.float32)
    boxes = np.tile(np.array([[2, 1, 12, 9]], np.int64), (count, 1))
    windows = tuple(map(window_of, masks))
    found = WindowedDetections(boxes, scores, scores / 2, np.array(classes, np.int64), windows, height, width)
    return Result(Frame(index, index + 1, name or f"{index}.png", image, time_s), found, image)


def mask_of(result: Result, index: int) -> BoolArray:
    found = result.detections
    mask = np.zeros((found.height, found.width), np.bool_)
    mask[found.masks[index].rows, found.masks[index].columns] = found.masks[index].inside
    return mask


def grey(value: int, height: int = 48, width: int = 64) -> Image:
    return np.full((height, width, 3), value, np.uint8)


# ---- masks


@settings(deadline=None, max_examples=200)
@given(arrays.arrays(np.bool_, arrays.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=70)))
def test_run_lengths_are_those_of_pycocotools(mask: BoolArray) -> None:
    assert (
        encode_rle(window_of(mask), *mask.shape)
        == coding.encode(np.asfortranarray(mask.astype(np.uint8)))["counts"].decode()
    )


def test_run_lengths_of_large_masks() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        mask = np.zeros((1080, 1920), np.uint8)
        cv2.ellipse(mask, rng.integers(0, 1080, 2).tolist(), rng.integers(1, 900, 2).tolist(), 30, 0, 360, 1, -1)
        assert encode_rle(window_of(mask > 0), *mask.shape) == coding.encode(np.asfortranarray(mask))["counts"].decode()


def test_polygons_follow_the_edges_of_pixels() -> None:
    mask = np.zeros((40, 50), np.bool_)
    assert mask_polygons(window_of(mask)) == []
    mask[5, 7] = mask[10:20, 12:30] = True
    corners = [
        {tuple(point) for point in np.reshape(polygon, (-1, 2)).tolist()} for polygon in mask_polygons(window_of(mask))
    ]
    assert {(7, 5), (8, 5), (8, 6), (7, 6)} in corners
    assert {(12, 10), (30, 10), (30, 20), (12, 20)} in corners


@pytest.mark.parametrize(("tolerance", "lowest_iou"), [(0.0, 1.0), (None, 0.97)])
def test_polygons_give_the_mask_back(tolerance: float | None, lowest_iou: float) -> None:
    drawn = np.zeros((300, 400), np.uint8)
    cv2.fillPoly(drawn, [np.array([[30, 20], [380, 90], [200, 150], [350, 290], [20, 250], [90, 130]], np.int32)], 1)
    polygons = mask_polygons(window_of(drawn > 0), tolerance)
    again = coding.decode(coding.merge(coding.frPyObjects(polygons, 300, 400)))
    assert (again & drawn).sum() / (again | drawn).sum() >= lowest_iou


def filled(polygons: list[list[float]], mask: BoolArray) -> BoolArray:
    """What pycocotools makes of polygons."""
    return coding.decode(coding.merge(coding.frPyObjects(polygons, *mask.shape))) > 0


@settings(deadline=None, max_examples=150)
@given(arrays.arrays(np.bool_, arrays.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=25)))
def test_polygons_without_tolerance_are_the_mask(mask: BoolArray) -> None:
    polygons = mask_polygons(window_of(mask), tolerance=0)
    if not mask.any():
        assert polygons == []
    else:
        np.testing.assert_array_equal(filled(polygons, mask), mask)


def test_polygons_keep_holes_and_what_lies_in_them() -> None:
    mask = np.zeros((100, 120), np.bool_)
    mask[10:90, 10:90] = True
    mask[30:60, 30:60] = False
    mask[40:50, 40:50] = True  # an island
    mask[44, 44] = False
    mask[70:80, 20:80] = False
    polygons = mask_polygons(window_of(mask))
    assert len(polygons) == 2
    np.testing.assert_array_equal(filled(polygons, mask), mask)


@pytest.mark.parametrize(("radius", "most_corners", "lowest_iou"), [(6, 60, 0.99), (45, 80, 0.98), (180, 200, 0.99)])
def test_polygons_of_small_and_large_rings(radius: int, most_corners: int, lowest_iou: float) -> None:
    drawn = np.zeros((400, 400), np.uint8)
    cv2.circle(drawn, (200, 200), radius, 1, -1)
    cv2.circle(drawn, (200, 200), radius // 2, 0, -1)
    (polygon,) = mask_polygons(window_of(drawn > 0))
    assert len(polygon) / 2 <= most_corners
    again = filled([polygon], drawn)
    assert (again & (drawn > 0)).sum() / (again | (drawn > 0)).sum() >= lowest_iou


# ---- COCO files


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


# ---- videos


def frames_of(path: Path) -> list[int]:
    capture = cv2.VideoCapture(str(path))
    values = []
    while (read := capture.read())[0]:
        values.append(int(read[1].mean()))
    capture.release()
    return values


@pytest.mark.parametrize("name", ["a.mp4", "a.avi", "größe 猫.mkv"])
def test_video(tmp_path: Path, name: str) -> None:
    sink = VideoFile(tmp_path / name, 12.5)
    for index in range(10):
        sink.write(result(index, grey(20 * index) if index != 5 else grey(100, 96, 128)))  # one of another size
    assert not (tmp_path / name).exists()
    sink.close(keep=True)
    assert os.listdir(tmp_path) == [name]
    np.testing.assert_allclose(frames_of(tmp_path / name), range(0, 200, 20), atol=4)
    assert cv2.VideoCapture(str(tmp_path / name)).get(cv2.CAP_PROP_FPS) == pytest.approx(12.5, rel=0.01)


def test_a_live_video_takes_as_long_as_it_did(tmp_path: Path) -> None:
    sink = VideoFile(tmp_path / "a.avi", 10.0)
    for index, time_s in enumerate((0.0, 0.01, 0.3, 1.0)):
        sink.write(result(index, grey(60 * index), time_s=time_s))
    sink.close(keep=True)
    np.testing.assert_allclose(frames_of(tmp_path / "a.avi"), [0] + 3 * [120] + 7 * [180], atol=3)


def test_videos_that_cannot_be_written(tmp_path: Path) -> None:
    for name, codec, words in (("a.txt", None, ".mp4"), ("a.mp4", "h264x", "four letters")):
        with pytest.raises(OutputError, match=words):
            VideoFile(tmp_path / name, 25, codec)
    sink = VideoFile(tmp_path / "a.mp4", 25, "zzzz")
    with pytest.raises(OutputError, match=r"cannot write a\.mp4 with codec zzzz at 64x48 px"):
        sink.write(result(0, grey(0)))
    sink.close(keep=False)
    VideoFile(tmp_path / "b.mp4", 25).close(keep=True)  # not one frame came
    assert os.listdir(tmp_path) == []


def test_a_video_that_the_disk_had_no_room_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sink = VideoFile(tmp_path / "a.avi", 25)
    for index in range(50):
        sink.write(result(index, grey(index)))
    temporary = next(tmp_path.iterdir())
    monkeypatch.setattr(sink, "_check", lambda check=sink._check: (os.truncate(temporary, 100), check()))
    with pytest.raises(OutputError, match="0 of 50 frames"):
        sink.close(keep=True)
    assert os.listdir(tmp_path) == []


# ---- pictures


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


def test_a_window_needs_a_display_and_an_opencv_with_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(variable, raising=False)
    with pytest.raises(OutputError, match="no display"):
        Window(lambda: None)

    def no_windows(*_: object) -> None:
        raise cv2.error("The function is not implemented")

    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setattr(cv2, "namedWindow", no_windows)
    with pytest.raises(OutputError, match="pip install opencv-python"):
        Window(lambda: None)


# ---- selection


def test_selection_and_class_names() -> None:
    names = ("person", "traffic light", "3", "cat")
    assert parse_classes("Cat, 0,traffic light", names) == {3, 0, 1}
    assert parse_classes("3", names) == {2}  # a name wins
    for text in ("car", "4", "-1", "", "cat,,person"):
        with pytest.raises(ConfigError, match="indices 0 to 3"):
            parse_classes(text, names)
    with pytest.raises(ConfigError, match="such as cat"):
        parse_classes("cats", names)
    commas = ("screw, long", "screw", "long", "a,b,c")
    assert parse_classes("screw, long", commas) == {0}
    assert parse_classes("a,b,c,Screw,2", commas) == {3, 1, 2}
    with pytest.raises(ConfigError, match="no class 'a'"):
        parse_classes("a,b", commas)
    scores = np.array([0.9, 0.8, 0.7, 0.6, 0.1], np.float32)
    found = NetworkDetections(
        np.zeros((5, 4), np.float32), scores, np.array([0, 1, 1, 1, 1]), np.zeros((5, 2, 2), np.float32), scores
    )
    np.testing.assert_array_equal(Selection(0.2, frozenset({1}), 2).of(found).scores, scores[1:3])
    assert len(Selection(0.2, frozenset({1})).of(found)) == 3
    assert len(Selection().of(found)) == 5
