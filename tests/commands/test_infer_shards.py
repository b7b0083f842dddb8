"""`infer --shards`, `--merge` and `--list` as a user types them."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from tests.conftest import NANO, NANO_WEIGHTS, PLUS_NANO_WEIGHTS
from tests.running import Captured, fails, succeeds
from yolact_deploy import cli

PICTURES = sorted((NANO / "images").glob("*.jpg"))[:5]


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shards") / "in"
    folder.mkdir()
    for path in PICTURES:
        shutil.copy(path, folder)
    (folder / "notes.txt").write_text("no picture")
    return folder


def test_every_file_is_the_one_that_infer_writes(
    capsys: Captured, tmp_path: Path, source: Path, nano_onnx: Path
) -> None:
    succeeds(capsys, "infer", source, "-m", nano_onnx, "--shards", tmp_path / "job", "--shard-size", 2, "--score", 0)
    text = succeeds(
        capsys, "infer", source, "-m", nano_onnx, "--shards", tmp_path / "job", "--shard-size", 2, "--score", 0
    )
    assert "0 images in 0 shards by this run" in text
    assert "3 of 3 shards of 5 images are done" in text
    for option in ("--json", "--polygons", "--results"):
        files = [tmp_path / f"{name}{option}" for name in ("plain", "merged")]
        extra = ("--annotations", NANO / "instances.json") if option == "--results" else ()
        succeeds(capsys, "infer", source, "-m", nano_onnx, option, files[0], "--score", 0, *extra)
        succeeds(capsys, "infer", "--merge", tmp_path / "job", option, files[1], *extra)
        assert files[0].read_bytes() == files[1].read_bytes()
        assert files[0].stat().st_size > 1000


def test_mask_scores_come_through(capsys: Captured, tmp_path: Path, source: Path) -> None:
    options = (
        "-m",
        PLUS_NANO_WEIGHTS,
        "--score",
        0.2,
        "--classes",
        "0,2",
        "--max-detections",
        3,
        "--roi",
        "5,6,200,200",
    )
    succeeds(capsys, "infer", source, *options, "--json", tmp_path / "plain.json")
    succeeds(capsys, "infer", source, *options, "--shards", tmp_path / "job")
    succeeds(capsys, "infer", "--merge", tmp_path / "job", "--json", tmp_path / "merged.json")
    assert (tmp_path / "merged.json").read_bytes() == (tmp_path / "plain.json").read_bytes()
    assert "mask_score" in (tmp_path / "plain.json").read_text()


def test_two_workers_from_a_foreign_folder(
    capsys: Captured, tmp_path: Path, source: Path, nano_onnx: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their processes import nothing from there."""
    (tmp_path / "json.py").write_text("raise SystemExit('imported')")
    (tmp_path / "pickle.py").write_text("raise SystemExit('imported')")
    monkeypatch.chdir(tmp_path)
    text = succeeds(capsys, "infer", source, "-m", nano_onnx, "--shards", "job", "--shard-size", 1, "--workers", 2)
    assert "5 images in 5 shards by this run" in text
    succeeds(capsys, "infer", "--merge", "job", "--json", "a.json")
    assert len(json.loads((tmp_path / "a.json").read_text())["images"]) == 5


def test_bad_pictures_are_listed_and_never_fatal(
    capsys: Captured, tmp_path: Path, source: Path, nano_onnx: Path
) -> None:
    listing = tmp_path / "list.txt"
    names = [PICTURES[0].name, "missing.jpg", "notes.txt", str(PICTURES[1]), f"./{PICTURES[0].name}", "", "x" * 300]
    listing.write_text("\r\n".join(names))
    command = ("infer", source, "--list", listing, "-m", nano_onnx)
    capsys.readouterr()
    assert cli.run([str(word) for word in (*command, "--shards", tmp_path / "job", "--shard-size", 2)]) == 0
    notes = capsys.readouterr().err
    for words in ("missing.jpg", "notes.txt", "xxx", "more than once"):
        assert words in notes
    for arguments in ((*command, "--json", tmp_path / "a.json"), ("infer", "--merge", tmp_path / "job", "--json", "-")):
        capsys.readouterr()
        assert cli.run([str(word) for word in arguments]) == 1
        captured = capsys.readouterr()
        assert captured.err.count("error: ") == 3
    found = json.loads(captured.out)
    assert [image["file_name"] for image in found["images"]] == [PICTURES[0].name, str(PICTURES[1])]
    assert captured.out == (tmp_path / "a.json").read_text()


def test_a_list_as_find_writes_it(
    capsys: Captured, tmp_path: Path, source: Path, nano_onnx: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(source)
    listing = tmp_path / "list"
    listing.write_bytes(b"\0".join(os.fsencode(f"./{path.name}") for path in PICTURES[:2]) + b"\0")
    succeeds(capsys, "infer", "--list", listing, "-m", nano_onnx, "--json", tmp_path / "a.json")
    images = json.loads((tmp_path / "a.json").read_text())["images"]
    assert [image["file_name"] for image in images] == [path.name for path in PICTURES[:2]]
    listing.write_text("\n \n")
    assert "names no picture" in fails(capsys, "infer", "--list", listing, "-m", nano_onnx, "--json", "-")
    assert "cannot read the list" in fails(capsys, "infer", "--list", source / "no", "-m", nano_onnx, "--json", "-")


def test_wrong_jobs_are_refused_in_one_line(capsys: Captured, tmp_path: Path, source: Path, nano_onnx: Path) -> None:
    job = tmp_path / "job"
    command = ("infer", source, "-m", nano_onnx, "--shards", job)
    succeeds(capsys, *command)
    other = tmp_path / "other"
    shutil.copytree(source, other)
    (other / "new.png").write_bytes(PICTURES[0].read_bytes())
    for arguments, words in (
        ((*command, "--score", 0.5), "its --score is 0.3, not 0.5"),
        ((*command, "--roi", "0,0,9,9"), "its --roi is none, not 0,0,9,9"),
        ((*command, "--workers", 2, "--classes", 1), "its --classes is none, not [1]"),
        ((*command, "--shard-size", 3), "--shard-size 256, not 3"),
        (("infer", source, "-m", NANO_WEIGHTS, "--shards", job), "its model's SHA-256 is"),
        (("infer", other, "-m", nano_onnx, "--shards", job), "new.png"),
        ((*command, "--json", tmp_path / "a.json"), "with --merge"),
        ((*command, "-o", tmp_path / "out"), "without pictures"),
        ((*command, "--every", 2), "is for pictures"),
        (("infer", "http://me:s3cret@host/a.jpg", "-m", nano_onnx, "--shards", job), "is for pictures"),
        (("infer", "-", "-m", nano_onnx, "--shards", job), "is for pictures"),
        (("infer", "0", "-m", nano_onnx, "--shards", job), "is for pictures"),
        (("infer", source, "-m", nano_onnx, "--shards", source), "no job of yolact-deploy"),
        (("infer", source, "-m", nano_onnx, "--shards", PICTURES[0]), "is a file"),
        (("infer", source, "-m", nano_onnx, "--json", "-", "--workers", 2), "--workers needs --shards"),
        ((*command, "--workers", 2, "--classes", "cat"), "no class 'cat'"),
        (("infer", "-m", nano_onnx, "--json", "-"), "the source is missing"),
        (("infer", source, "--json", "-"), "--model is missing"),
        (("infer", "--merge", source, "--json", "-"), "holds no job"),
        (("infer", "--merge", job), "nothing to write"),
        (("infer", "--merge", job, "--json", "-", "-m", nano_onnx), "--merge takes no --model"),
        (("infer", "--merge", job, "--json", job / "job.json", "--force"), "would replace"),
    ):
        assert words in fails(capsys, *map(str, arguments))
    (job / "results/000000.jsonl").unlink()
    assert "1 of 1 shards are missing" in fails(capsys, "infer", "--merge", job, "--json", "-")


def test_a_class_that_is_not_there_begins_no_job(
    capsys: Captured, tmp_path: Path, source: Path, nano_onnx: Path
) -> None:
    command = ("infer", source, "-m", nano_onnx, "--shards", tmp_path / "job")
    assert "no class 'cat'" in fails(capsys, *command, "--classes", "cat")
    succeeds(capsys, *command, "--classes", "disk")


def test_a_part_of_each_frame(capsys: Captured, tmp_path: Path, source: Path, nano_onnx: Path) -> None:
    path = tmp_path / "a.json"
    command = ("infer", PICTURES[0], "-m", nano_onnx, "--json", path, "--force", "--score", 0)
    succeeds(capsys, *command, "--roi", "20,30,100,150", "-o", tmp_path / "out")
    found = json.loads(path.read_text())
    assert found["annotations"]
    for item in found["annotations"]:
        x, y, width, height = item["bbox"]
        assert 20 <= x <= x + width <= 120
        assert 30 <= y <= y + height <= 180
        assert item["segmentation"]["size"] == [found["images"][0]["height"], found["images"][0]["width"]]
    assert "is not inside" in fails(capsys, *command, "--roi", "0,0,5000,10")
    assert "1 px or more" in fails(capsys, *command, "--roi", "0,0,0,10")
    for text in ("0", "-1", "nan", "1/0", "1e9", "1001", "x"):
        assert "--rate" in fails(capsys, *command, "--rate", text)
    assert "WIDTHxHEIGHT" in fails(capsys, *command, "--raw", "640")
