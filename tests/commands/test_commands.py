"""Every command from end to end, with right and with wrong input."""

from __future__ import annotations

import json
import resource
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest

from tests.conftest import NANO, NANO_WEIGHTS, PLUS_NANO_WEIGHTS
from tests.running import Captured, fails, succeeds
from yolact_deploy import cli
from yolact_deploy.images import read_image

IMAGE = NANO / "images/000000001000.jpg"


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("export") / "nano.onnx"
    assert cli.run(["export", str(NANO_WEIGHTS), "-o", str(path)]) == 0
    return path


# ---- export and inspect


def test_export_then_inspect(capsys: Captured, exported: Path) -> None:
    text = succeeds(capsys, "inspect", exported)
    for words in ("yolact_nano", "disk, square", "yolact.YolactFastNMS", "uint8 [1, H, W, 3]", "ai.onnx 20"):
        assert words in text
    info = json.loads(succeeds(capsys, "inspect", exported, "--json", "-"))
    assert info["kind"] == "onnx"
    assert info["file"]["metadata"]["config"]["name"] == "yolact_nano"
    checkpoint = json.loads(succeeds(capsys, "inspect", NANO_WEIGHTS, "--json", "-"))
    assert checkpoint["kind"] == "checkpoint"
    assert checkpoint["file"]["sha256"] == info["file"]["metadata"]["checkpoint_sha256"]


def test_what_is_assumed_is_said_by_every_command(
    capsys: Captured, exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A 400 px size in the name of a checkpoint of our own."""
    path = tmp_path / "mine_im400.pth"
    path.write_bytes(NANO_WEIGHTS.read_bytes())
    for arguments in (
        ("inspect", path),
        ("infer", IMAGE, "--model", path, "-o", tmp_path / "drawn"),
        ("compare", path, path),
        ("bench", path, "--limit", "2", "--iterations", "1", "--warmup", "0"),
        ("export", path, "-o", tmp_path / "mine.onnx"),
    ):
        assert cli.run(list(map(str, arguments))) == 0, capsys.readouterr().err
        assert (
            capsys.readouterr().err.count("note: mine_im400.pth names no configuration; assumed yolact_nano at 400 px")
            == 1
        )


def test_eighty_class_names_in_one_option(capsys: Captured, tmp_path: Path) -> None:
    """Too long for a path, which is no error of its own."""
    names = ",".join(f"a class with a long name {index}" for index in range(80))
    error = fails(capsys, "export", NANO_WEIGHTS, "-o", tmp_path / "a.onnx", "--class-names", names)
    assert "80 class names given, the model has 6 classes" in error


def test_export_takes_its_options(capsys: Captured, tmp_path: Path) -> None:
    path = tmp_path / "deep" / "nano.onnx"
    text = succeeds(
        capsys, "export", NANO_WEIGHTS, "-o", path, "--config", "yolact_nano", "--num-classes", "6",
        "--input", "tensor", "--class-names", "a,b,c,d,e,f", "--batch", "dynamic", "--score-threshold", "0.2",
        "--iou-threshold", "0.4", "--top-k", "50", "--max-detections", "20", "--image", IMAGE,
    )  # fmt: skip
    assert "matched" in text
    metadata = json.loads(succeeds(capsys, "inspect", path, "--json", "-"))["file"]["metadata"]
    assert metadata["config"]["class_names"] == list("abcdef")
    assert metadata["input_kind"] == "tensor"
    assert metadata["postprocess"] == {
        "score_threshold": 0.2, "iou_threshold": 0.4, "top_k": 50, "max_detections": 20, "cross_class": False,
        "clip_boxes": False, "threshold_per_class": False, "candidates_per_level": 0, "level_priors": [],
    }  # fmt: skip


def test_masks_at_the_images_size_through_every_command(capsys: Captured, tmp_path: Path) -> None:
    path = tmp_path / "bits.onnx"
    assert "masks at image size" in succeeds(capsys, "export", NANO_WEIGHTS, "-o", path, "--masks", "image")
    assert "int32 [1, 100, H, words]" in succeeds(capsys, "inspect", path)
    report = tmp_path / "report.json"
    quick = ("--limit", "4", "--iterations", "2", "--warmup", "0", "--threads", "1")
    assert "parity: pass" in succeeds(capsys, "bench", path, "--reference", NANO_WEIGHTS, *quick, "--json", report)
    assert all(model["timing"]["stages"] for model in json.loads(report.read_text())["models"])
    assert "fp16" in succeeds(capsys, "convert-precision", path, "--fp16", "-o", tmp_path / "half.onnx")
    succeeds(capsys, "infer", IMAGE, "--model", tmp_path / "half.onnx", "-o", tmp_path / "drawn")
    assert list((tmp_path / "drawn").iterdir())
    arguments = ("export", NANO_WEIGHTS, "-o", tmp_path / "no.onnx", "--masks", "image", "--input", "tensor")
    assert "use --input image, or --masks prototype" in fails(capsys, *arguments)
    assert not (tmp_path / "no.onnx").exists()


def test_plus_from_checkpoint_to_picture(capsys: Captured, tmp_path: Path) -> None:
    path = tmp_path / "plus.onnx"
    assert "mask_scores" in succeeds(capsys, "export", PLUS_NANO_WEIGHTS, "-o", path, "--deform-conv", "auto")
    for file, kind in ((PLUS_NANO_WEIGHTS, "YOLACT++ checkpoint"), (path, "ONNX")):
        text = succeeds(capsys, "inspect", file)
        assert kind in text
        assert "6 convolutions" in text
        assert "8-16-32-64" in text
    report = tmp_path / "report.json"
    quick = ("--limit", "4", "--iterations", "2", "--warmup", "0", "--threads", "1")
    assert "parity: pass" in succeeds(capsys, "bench", path, "--reference", PLUS_NANO_WEIGHTS, *quick, "--json", report)
    assert all(model["timing"]["stages"] for model in json.loads(report.read_text())["models"])
    succeeds(capsys, "infer", IMAGE, "--model", path, "-o", tmp_path / "drawn")
    assert list((tmp_path / "drawn").iterdir())


def test_export_refuses_and_leaves_nothing(capsys: Captured, tmp_path: Path, exported: Path) -> None:
    empty = tmp_path / "empty.pth"
    empty.touch()
    text = tmp_path / "yolact_nano.pth"
    text.write_text("no checkpoint")
    output = tmp_path / "out" / "a.onnx"
    for arguments, words in (
        ((tmp_path / "missing.pth",), "missing.pth"),
        ((empty,), "empty"),
        ((text,), str(text)),
        ((NANO_WEIGHTS, "--config", "yolact_bas"), "yolact_resnet50"),
        ((NANO_WEIGHTS, "--config", tmp_path / "missing.yaml"), "missing.yaml"),
        ((NANO_WEIGHTS, "--config", "yolact_base"), "yolact_nano"),
        ((NANO_WEIGHTS, "--num-classes", "7"), "--num-classes 6"),
        ((NANO_WEIGHTS, "--class-names", "a,b"), "6 classes"),
        ((NANO_WEIGHTS, "--batch", "0"), "--batch"),
        ((NANO_WEIGHTS, "--input", "video"), "image, tensor"),
        ((NANO_WEIGHTS, "--deform-conv", "dcn"), "gridsample, onnx, auto"),
        ((NANO_WEIGHTS, "--config", "yolact_plus_nano"), "pass --config yolact_nano"),
        ((PLUS_NANO_WEIGHTS, "--config", "yolact_nano"), "pass --config yolact_plus_nano"),
        ((NANO_WEIGHTS, "--score-threshold", "2"), "between 0 and 1"),
        ((NANO_WEIGHTS, "--image", tmp_path / "missing.jpg"), "missing.jpg"),
    ):
        assert words in fails(capsys, "export", *arguments, "-o", output)
        assert not output.parent.exists() or list(output.parent.iterdir()) == []
    assert "--force" in fails(capsys, "export", NANO_WEIGHTS, "-o", exported)
    assert "cannot write into" in fails(capsys, "export", NANO_WEIGHTS, "-o", text / "a.onnx")


def test_export_onto_a_full_disk(capsys: Captured, tmp_path: Path, exported: Path) -> None:
    assert exported.stat().st_size > 1_000_000
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, hard))
    try:
        line = fails(capsys, "export", NANO_WEIGHTS, "-o", tmp_path / "a.onnx")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert str(tmp_path / "a.onnx") in line
    assert list(tmp_path.iterdir()) == []


def test_inspect_of_a_foreign_file_is_an_answer(capsys: Captured, tmp_path: Path) -> None:
    node = onnx.helper.make_node("Relu", ["x"], ["y"])
    x, y = (onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1]) for name in "xy")
    onnx.save(onnx.helper.make_model(onnx.helper.make_graph([node], "g", [x], [y])), tmp_path / "a.onnx")
    assert "not made by yolact-deploy" in succeeds(capsys, "inspect", tmp_path / "a.onnx")


def test_inspect_of_damaged_files(capsys: Captured, tmp_path: Path, exported: Path) -> None:
    for name, source in (("a.onnx", exported), ("yolact_nano_1_2.pth", NANO_WEIGHTS)):
        path = tmp_path / name
        path.write_bytes(source.read_bytes()[:100_000])
        assert str(path) in fails(capsys, "inspect", path)
    assert "no such file" in fails(capsys, "inspect", tmp_path / "b.onnx")


# ---- bench


def test_bench_judges_parity(capsys: Captured, tmp_path: Path, exported: Path) -> None:
    files = ("--json", tmp_path / "new" / "b.json", "--markdown", tmp_path / "new" / "b.md")
    quick = ("--limit", "4", "--iterations", "2", "--warmup", "0", "--threads", "1")
    text = succeeds(capsys, "bench", exported, "--reference", NANO_WEIGHTS, *quick, *files)
    assert "parity: pass" in text
    report = json.loads((tmp_path / "new" / "b.json").read_text())
    assert report["passed"] is True
    assert [model["name"] for model in report["models"]] == [NANO_WEIGHTS.name, exported.name]
    assert "parity: pass" in (tmp_path / "new" / "b.md").read_text()


def test_a_failed_gate_is_exit_status_1(capsys: Captured, tmp_path: Path, exported: Path) -> None:
    other = tmp_path / "other.onnx"
    succeeds(capsys, "export", NANO_WEIGHTS, "-o", other, "--score-threshold", "0.9")
    quick = ("--limit", "4", "--iterations", "1", "--warmup", "0", "--threads", "1")
    line = fails(capsys, "bench", other, "--reference", NANO_WEIGHTS, *quick, "--json", "-", status=1)
    assert "parity: FAIL (other.onnx)" in line


def test_bench_compares_with_an_older_run(capsys: Captured, tmp_path: Path, exported: Path) -> None:
    old = tmp_path / "old.json"
    quick = ("--limit", "2", "--iterations", "3", "--warmup", "0", "--threads", "1")
    succeeds(capsys, "bench", exported, *quick, "--json", old)
    assert "Since 20" in succeeds(capsys, "bench", exported, *quick, "--compare", old, "--max-slowdown", "100000%")
    value = json.loads(old.read_text())
    timing = value["models"][0]["timing"]
    timing["end_to_end"] |= {"p50": 1e-6, "rounds": [1e-6] * 3}
    old.write_text(json.dumps(value))
    gate = ("--compare", old, "--max-slowdown", "5%")
    line = fails(capsys, "bench", exported, *quick, *gate, "--json", tmp_path / "new.json", status=1)
    assert f"{exported.name}: end to end went from 1e-06 to " in line
    assert json.loads((tmp_path / "new.json").read_text())["passed"] is False
    for arguments, words in (
        (("--max-slowdown", "5%"), "--max-slowdown needs --compare OLD.json"),
        (("--compare", old, "--max-slowdown", "0.05"), "a percentage of 0 or more with its sign"),
        (("--compare", tmp_path / "none.json"), "no such file to compare with"),
        (("--iterations", "3", "--duration", "2"), "exclude each other"),
        (("--batch", "4"), "takes 1 image per call, not 4"),
    ):
        assert words in fails(capsys, "bench", exported, *arguments)


def test_bench_refuses_before_it_works(capsys: Captured, tmp_path: Path, exported: Path) -> None:
    blocker = tmp_path / "file"
    blocker.write_text("x")
    for arguments, words in (
        ((tmp_path / "missing.onnx",), "no such file"),
        ((exported, "--reference", tmp_path / "missing.pth"), "missing.pth"),
        ((exported, "--data", tmp_path), "instances.json"),
        ((exported, "--json", blocker / "b.json"), "cannot write into"),
        ((exported, "--markdown", tmp_path), "folder"),
        ((exported, "--max-ap-difference", "-1"), "0 or more"),
        ((exported, "--min-match-rate", "2"), "between 0 and 1"),
        ((exported, "--limit", "0"), "--limit"),
    ):
        assert words in fails(capsys, "bench", *arguments)


# ---- infer


def test_infer_draws_a_folder(capsys: Captured, tmp_path: Path, exported: Path) -> None:
    source = tmp_path / "in"
    source.mkdir()
    for name in ("a.jpg", "b.png"):
        cv2.imwrite(str(source / name), read_image(IMAGE))
    (source / "notes.txt").write_text("not an image")
    text = succeeds(capsys, "infer", source, "-m", exported, "-o", tmp_path / "out", "--threads", "1")
    assert text.startswith("2 of 2 images drawn")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.jpg", "b.png"]
    assert (read_image(tmp_path / "out" / "b.png") != read_image(source / "b.png")).any()
    assert "--force" in fails(capsys, "infer", source, "-m", exported, "-o", tmp_path / "out")
    succeeds(capsys, "infer", f"{source}/*.png", "-m", exported, "-o", tmp_path / "out", "--force")


def test_infer_of_a_picture_without_objects(capsys: Captured, tmp_path: Path, exported: Path) -> None:
    cv2.imwrite(str(tmp_path / "black.png"), np.zeros((1, 1, 3), np.uint8))
    text = succeeds(capsys, "infer", tmp_path / "black.png", "-m", exported, "-o", tmp_path / "out", "--score", "1")
    assert "0 detections" in text
    assert (read_image(tmp_path / "out" / "black.png") == 0).all()


def test_infer_reports_what_it_could_not_read_and_goes_on(capsys: Captured, tmp_path: Path, exported: Path) -> None:
    cv2.imwrite(str(tmp_path / "good.png"), read_image(IMAGE))
    (tmp_path / "bad.png").write_bytes(b"no image")
    line = fails(capsys, "infer", tmp_path, "-m", exported, "-o", tmp_path / "out", status=1)
    assert "bad.png" in line
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["good.png"]


def test_infer_refuses(capsys: Captured, tmp_path: Path, exported: Path) -> None:
    (tmp_path / "bad.png").write_bytes(b"no image")
    (tmp_path / "empty").mkdir()
    (tmp_path / "model.txt").write_text("x")
    cv2.imwrite(str(tmp_path / "good.png"), read_image(IMAGE))
    out = tmp_path / "out"
    for arguments, words in (
        ((tmp_path / "bad.png", "-m", exported, "-o", out), "bad.png"),
        ((tmp_path / "missing.png", "-m", exported, "-o", out), "no such file or folder"),
        ((tmp_path / "empty", "-m", exported, "-o", out), "no images in"),
        ((f"{tmp_path}/*.tif", "-m", exported, "-o", out), "no images in"),
        ((IMAGE, "-m", tmp_path / "missing.onnx", "-o", out), "missing.onnx"),
        ((IMAGE, "-m", tmp_path / "model.txt", "-o", out), "unknown kind of model file"),
        ((IMAGE, "-m", exported, "-o", tmp_path / "model.txt"), "cannot write into"),
        ((IMAGE, "-m", exported, "-o", out, "--device", "tpu"), "auto, cpu, cuda"),
        ((tmp_path / "good.png", "-m", exported, "-o", tmp_path, "--force"), "would replace its source"),
    ):
        assert words in fails(capsys, "infer", *arguments)
        assert not out.exists() or list(out.iterdir()) == []


# ---- doctor


def test_doctor(capsys: Captured, tmp_path: Path) -> None:
    assert "ONNX Runtime" in succeeds(capsys, "doctor")
    succeeds(capsys, "doctor", "--json", tmp_path / "new" / "doctor.json")
    diagnosis = json.loads((tmp_path / "new" / "doctor.json").read_text())
    assert {"key", "title", "version"} <= diagnosis["findings"][0].keys()
    assert {"title", "missing"} <= diagnosis["abilities"][0].keys()
