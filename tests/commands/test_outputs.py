"""No command replaces one of its own inputs, whatever the name that the output has, nor a file of somebody else."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from tests.conftest import DATA, NANO, NANO_WEIGHTS
from tests.running import Captured, fails, succeeds
from yolact_deploy.trt import plugin_build

PICTURE = "pics/000000001000.jpg"
INT8 = "m.onnx --int8 --layout cpu --calibration pics --images 8"
JUDGED = f"{INT8} --data data --max-ap-loss 9"


@pytest.fixture
def folder(tmp_path: Path, nano_onnx: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Copies of every kind of input, with other names for some; the current folder."""
    shutil.copy(NANO_WEIGHTS, tmp_path / "w.pth")
    shutil.copy(nano_onnx, tmp_path / "m.onnx")
    for name in ("tiny.engine", "tiny.engine.json"):
        shutil.copy(DATA / "version_0_1_0" / name, tmp_path)
    (tmp_path / "pics").mkdir()
    for picture in sorted((NANO / "images").iterdir())[:8]:
        shutil.copy(picture, tmp_path / "pics")
    shutil.copytree(NANO / "images", tmp_path / "disk")
    (tmp_path / "data").mkdir()
    (tmp_path / "data/images").symlink_to("../disk")
    shutil.copy(NANO / "instances.json", tmp_path / "data")
    (tmp_path / "names.txt").write_text("\n".join("abcdef"))
    (tmp_path / "c.json").write_text('{"base": "yolact_nano"}')
    (tmp_path / "link.onnx").symlink_to("w.pth")
    (tmp_path / "hard.json").hardlink_to(tmp_path / "w.pth")
    (tmp_path / "here").symlink_to(".")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def contents(folder: Path) -> dict[Path, bytes]:
    """What is in every file."""
    paths = (Path(parent, name) for parent, _, names in os.walk(folder) for name in names)
    return {path: path.read_bytes() for path in paths}


@pytest.mark.parametrize(
    "line",
    [
        "export w.pth -o w.pth --force",
        "export w.pth -o link.onnx --force",
        "export w.pth -o names.txt --class-names names.txt --force",
        "export w.pth -o c.json --config c.json --force",
        f"export w.pth -o {PICTURE} --image {PICTURE} --force",
        "convert-precision m.onnx --fp16 -o m.onnx --force",
        f"convert-precision m.onnx --fp16 --calibration pics --images 8 -o {PICTURE} --force",
        f"convert-precision {INT8} -o here/m.onnx --force",
        f"convert-precision {INT8} -o {PICTURE} --force",
        f"convert-precision {INT8} -o x.onnx --statistics {PICTURE} --force",
        f"convert-precision {INT8} -o x.onnx --statistics m.onnx --force",
        f"convert-precision {JUDGED} -o data/instances.json --force",
        f"convert-precision {JUDGED} -o x.onnx --statistics data/{PICTURE.replace('pics', 'images')} --force",
        "build-engine m.onnx --timing-cache m.onnx --force",
        "build-engine m.onnx --plugins names.txt --timing-cache names.txt --force",
        f"build-engine {INT8.replace('--layout cpu', '')} --statistics {PICTURE} --force",
        f"build-engine {INT8.replace('--layout cpu', '')} --timing-cache {PICTURE} --force",
        "compare w.pth m.onnx --json w.pth",
        "compare w.pth m.onnx --json c.json --config c.json",
        f"compare w.pth m.onnx --image {PICTURE} --json {PICTURE}",
        "inspect m.onnx --json m.onnx",
        "inspect w.pth --json hard.json",
        "inspect w.pth --json c.json --config c.json",
        "inspect tiny.engine --json here/tiny.engine",
        "inspect tiny.engine --json tiny.engine.json",
        "bench m.onnx --json m.onnx --force",
        "bench m.onnx --config c.json --markdown c.json --force",
        "bench m.onnx --data data --markdown data/instances.json --force",
        f"bench m.onnx --data data --json disk/{PICTURE.removeprefix('pics/')} --force",
        "bench m.onnx --json old.json --compare here/old.json",
    ],
)
def test_an_output_is_no_input(line: str, folder: Path, capsys: Captured) -> None:
    (folder / "old.json").write_text('{\n  "format": 1}')
    before = contents(folder)
    said = fails(capsys, *line.split())
    assert "is an input of this command" in said or "the name of an exported file ends in .onnx" in said
    assert contents(folder) == before


@pytest.mark.parametrize(
    "line",
    [
        f"convert-precision {INT8} --statistics x.onnx -o here/x.onnx",
        f"build-engine {INT8.replace('--layout cpu', '')} --statistics x.engine.json -o x.engine",
        "build-engine m.onnx --timing-cache x.engine -o x.engine",
        "bench m.onnx --json a --markdown a",
        "bench m.onnx --json r/report.json --report r",
        "infer pics -m m.onnx --json a --results here/a",
    ],
)
def test_two_outputs_are_two_files(line: str, folder: Path, capsys: Captured) -> None:
    before = contents(folder)
    assert "two outputs have the same name" in fails(capsys, *line.split())
    assert contents(folder) == before


def test_build_plugins_replaces_nothing_but_its_own(
    folder: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("find_nvcc", "find_headers", "choose_architectures", "cmake_architectures", "find_tool"):
        monkeypatch.setattr(plugin_build, name, lambda *given: None)
    for name in ("beside.so.json", "log.log"):
        (folder / name).write_text("mine")
    (folder / "other.so").write_bytes(b"\x7fELF, of another program")
    before = contents(folder)
    for output, reason in (
        ("m.onnx", "no plugin library"),
        ("other.so", "no plugin library"),
        ("beside.so", "beside.so.json exists and is not a report"),
        ("log.so", "log.log exists and is not a report"),
    ):
        assert reason in fails(capsys, "build-plugins", "--arch", "87", "-o", output)
    assert contents(folder) == before


def test_json_replaces_only_a_report_of_ours(folder: Path, capsys: Captured) -> None:
    notes = folder / "notes.json"
    notes.write_text('{"mine": 1}')
    for words in (
        ["doctor"],
        ["compare", "w.pth", "m.onnx"],
        ["inspect", "m.onnx"],
        ["weights", "list"],
        ["bench", "m.onnx"],
    ):
        line = fails(capsys, *words, "--json", notes)
        assert "not a report of yolact-deploy" in line
        assert notes.read_text() == '{"mine": 1}'
    for words in (["doctor"], ["inspect", "m.onnx"], ["weights", "list"]):
        report = folder / f"{words[0]}.json"
        for _ in range(2):
            succeeds(capsys, *words, "--json", report)
        assert json.loads(report.read_text())
