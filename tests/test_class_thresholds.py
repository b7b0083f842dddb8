"""Thresholds of classes hold alike in every runtime, from every place, after suppression."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import pytest

from tests.conftest import NANO, NANO_WEIGHTS
from tests.machine_stand_in import BINDINGS, machine_with_gpu
from tests.running import Captured, fails, succeeds
from yolact_deploy.artifacts.manifest import Manifest
from yolact_deploy.artifacts.onnx_file import read_metadata
from yolact_deploy.detections import Detections
from yolact_deploy.errors import ConfigError, ModelFileError
from yolact_deploy.export.engine.build import build_engine
from yolact_deploy.export.engine.options import EngineOptions
from yolact_deploy.export.graph.torch_to_onnx import ExportOptions, export_onnx
from yolact_deploy.export.precision.convert import convert_file
from yolact_deploy.predictor import Predictor
from yolact_deploy.types import Image, ImageSize

OWN = {"disk": 0.5, "star": 0.2}  # of the file
PICTURE = NANO / "images/000000001000.jpg"
KEY = "yolact_deploy.thresholds"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundled model with thresholds in its file; read only."""
    output = tmp_path_factory.mktemp("thresholds") / "model.onnx"
    return export_onnx(NANO_WEIGHTS, ExportOptions(output, thresholds=OWN)).path


@pytest.fixture(scope="module")
def everything(nano_onnx: Path) -> Detections:
    """Whatever it scores."""
    with Predictor.open(nano_onnx, device="cpu") as predictor:
        return predictor(PICTURE)


def expected(found: Detections, thresholds: dict[str, float], rest: float = 0.0) -> Detections:
    """A loop over the detections."""
    return found[[index for index, one in enumerate(found) if one.score >= np.float32(thresholds.get(one.name, rest))]]


def assert_same(found: Detections, wanted: Detections) -> None:
    assert len(found) == len(wanted) > 0
    assert found.names.tolist() == wanted.names.tolist()
    np.testing.assert_array_equal(found.boxes, wanted.boxes)
    np.testing.assert_allclose(found.scores, wanted.scores, rtol=1e-4)
    assert np.count_nonzero(found.masks ^ wanted.masks) <= 1e-5 * wanted.masks.size


@pytest.mark.parametrize("kind", ["pth", "onnx", "openvino", "packed"])
def test_every_runtime_leaves_the_same_out(
    kind: str, nano_onnx: Path, nano_image_masks_onnx: Path, everything: Detections
) -> None:
    if kind == "openvino":
        pytest.importorskip("openvino")
    paths: dict[str, str | Path] = {
        "pth": NANO_WEIGHTS, "onnx": nano_onnx, "openvino": f"{nano_onnx}@openvino", "packed": nano_image_masks_onnx,
    }  # fmt: skip
    given = {"disk": 0.6, "star": 0.1, "cross": 1.0}
    with Predictor.open(paths[kind], device="cpu", score_threshold=0.3, thresholds=given) as predictor:
        assert_same(predictor(PICTURE), expected(everything, given, 0.3))
        assert predictor.thresholds == given


def test_an_engine_and_its_manifest(
    model: Path, everything: Detections, nano_image: Image, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with machine_with_gpu(monkeypatch, tmp_path / "cache", BINDINGS[0]):
        options = EngineOptions(tmp_path / "m.engine", min_size=ImageSize(64, 64), max_size=ImageSize(320, 400))
        engine = build_engine(model, options).path
        assert Manifest.read(engine).metadata.named_thresholds == OWN
        with Predictor.open(engine) as predictor:
            assert_same(predictor(nano_image), expected(everything, OWN))
        with Predictor.open(engine, thresholds={"disk": 0.1}) as predictor:
            assert_same(predictor(nano_image), expected(everything, {**OWN, "disk": 0.1}))


def test_the_file_carries_them(model: Path, everything: Detections, tmp_path: Path, capsys: Captured) -> None:
    assert read_metadata(model).named_thresholds == OWN
    with Predictor.open(model, device="cpu") as predictor:
        assert predictor.thresholds == OWN
        assert_same(predictor(PICTURE), expected(everything, OWN))
        assert len(predictor.detect([cv2.imread(str(PICTURE))])[0]) == len(everything)  # what the model itself gives
    with Predictor.open(model, device="cpu", score_threshold=0.45, thresholds={"disk": 0.1}) as predictor:
        assert_same(predictor(PICTURE), expected(everything, {"disk": 0.1, "star": 0.45}, 0.45))
    half = convert_file(model, tmp_path / "half.onnx", "fp16").path
    assert read_metadata(half).named_thresholds == OWN
    assert "disk 0.5, star 0.2" in succeeds(capsys, "inspect", model)
    assert "class thresholds" not in succeeds(capsys, "inspect", NANO_WEIGHTS)


def test_names_in_place_of_the_files_keep_its_thresholds(model: Path, everything: Detections) -> None:
    names = ("a", "b", "c", "d", "e", "f")
    with Predictor.open(model, device="cpu", class_names=names, thresholds={"b": 0.85}) as predictor:
        assert predictor.thresholds == {"a": 0.5, "b": 0.85, "d": 0.2}
        found = predictor(PICTURE)
    wanted = expected(everything, {**OWN, "square": 0.85})
    assert found.names.tolist() == [names[index] for index in wanted.classes]


def test_files_without_them_stay_as_old_versions_read_them(nano_onnx: Path, model: Path) -> None:
    """An old version would pass over the thresholds and show more than it should, so it has to refuse the file."""
    formats = {}
    for path in (nano_onnx, model):
        props = {entry.key: entry.value for entry in onnx.load(path).metadata_props}
        formats[path] = (props["yolact_deploy.format"], KEY in props)
    assert formats == {nano_onnx: ("1", False), model: ("3", True)}


@pytest.mark.parametrize("text", ['{"disk": 30}', '{"bolt": 0.5}', "[0.5]", "{", '{"disk": NaN}', '"disk"', "0.5"])
def test_damaged_thresholds_in_a_file(model: Path, tmp_path: Path, text: str) -> None:
    damaged = onnx.load(model)
    next(entry for entry in damaged.metadata_props if entry.key == KEY).value = text
    onnx.save(damaged, tmp_path / "damaged.onnx")
    with pytest.raises(ModelFileError, match="damaged yolact-deploy metadata"):
        Predictor.open(tmp_path / "damaged.onnx")


@pytest.mark.parametrize("options", [{"score_threshold": 30}, {"score_threshold": float("nan")},
                                     {"thresholds": {"disk": 30}}, {"thresholds": {"bolt": 0.4}}])  # fmt: skip
def test_scores_that_are_none(nano_onnx: Path, options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=r"score_threshold|threshold"):
        Predictor.open(nano_onnx, device="cpu", **options)
    with Predictor.open(nano_onnx, device="cpu") as predictor:
        with pytest.raises(ConfigError, match="between 0 and 1"):
            predictor.score_threshold = 30
        assert predictor.score_threshold == 0.0


# ---- the command line


def scores_by_class(path: Path) -> dict[int, list[float]]:
    found: dict[int, list[float]] = {}
    for entry in json.loads(path.read_text()):
        found.setdefault(entry["category_id"] - 1, []).append(entry["score"])
    return found


def test_infer_takes_files_and_texts(
    capsys: Captured, tmp_path: Path, nano_onnx: Path, model: Path, everything: Detections
) -> None:
    file = tmp_path / "thresholds.json"
    file.write_text('{"disk": 0.6, "square": 0.3}')
    given = {"disk": 0.6, "square": 0.3, "star": 0.5}
    options = ("--thresholds", file, "--thresholds", "star=0.5")
    target = tmp_path / "r.json"
    for path, more, wanted in (
        (nano_onnx, options, expected(everything, given)),  # the others: as without thresholds
        (nano_onnx, (*options, "--score", "0.4"), expected(everything, given, 0.4)),
        (model, (), expected(everything, OWN)),
        (model, ("--score", "0.3"), expected(everything, {"disk": 0.5}, 0.3)),
        (model, ("--thresholds", "disk=0", "--thresholds", "star=0"), everything),
    ):
        text = succeeds(capsys, "infer", PICTURE, "-m", path, "--results", target, *more, "--force")
        visible = wanted[[bool(np.prod(one.box[2:] - one.box[:2])) for one in wanted]]
        found = scores_by_class(target)
        assert {key: len(scores) for key, scores in found.items()} == {
            int(key): int(np.count_nonzero(visible.classes == key)) for key in np.unique(visible.classes)
        }
        assert ("AP needs" in text) == (len(wanted) < len(everything))
    # What is drawn has 0.3 as its default, but for classes with a threshold, in the file too.
    succeeds(capsys, "infer", PICTURE, "-m", model, "--json", target, "--force")
    drawn = json.loads(target.read_text())["annotations"]
    assert len(drawn) == len(expected(everything, OWN, 0.3))


def test_infer_applies_them_to_videos(capsys: Captured, tmp_path: Path, model: Path, nano_image: Image) -> None:
    video = tmp_path / "v.avi"
    writer = cv2.VideoWriter(str(video), cv2.VideoWriter.fourcc(*"MJPG"), 10, nano_image.shape[1::-1])
    for _ in range(2):
        writer.write(nano_image)
    writer.release()
    succeeds(capsys, "infer", video, "-m", model, "--results", tmp_path / "r.json", "--thresholds", "square=0.7")
    found = scores_by_class(tmp_path / "r.json")
    lowest = {0: 0.5, 1: 0.7, 3: 0.2}
    assert {0, 1} <= set(found)
    assert all(score >= lowest.get(key, 0.0) for key, scores in found.items() for score in scores)


@pytest.mark.parametrize("command", ["infer", "export"])
@pytest.mark.parametrize(
    ("given", "words"),
    [
        (("disk=30",), "30"),
        (("disk=nan",), "nan"),
        (("disk=-1",), "-1"),
        (("disk=0.5", "disk=0.6"), "twice"),
        (("bolt=0.5",), "no class 'bolt'"),
        (("missing.json",), "no such file"),
    ],
)
def test_one_line_for_what_is_wrong(
    capsys: Captured, tmp_path: Path, nano_onnx: Path, command: str, given: tuple[str, ...], words: str
) -> None:
    options = [word for text in given for word in ("--thresholds", text)]
    start = ["infer", PICTURE, "-m", nano_onnx] if command == "infer" else ["export", NANO_WEIGHTS]
    assert words in fails(capsys, *start, "-o", tmp_path / "out.onnx", *options)
    assert not (tmp_path / "out.onnx").exists()


def test_bench_compares_models_whatever_their_thresholds(capsys: Captured, model: Path) -> None:
    quick = ("--limit", "2", "--iterations", "1", "--warmup", "0", "--repeats", "1", "--threads", "1")
    assert "parity: pass" in succeeds(capsys, "bench", model, "--reference", NANO_WEIGHTS, *quick)
