"""No command replaces one of its own inputs, whatever the name that the output has."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.conftest import NANO, NANO_WEIGHTS
from tests.running import Captured, fails, succeeds


@pytest.fixture
def folder(tmp_path: Path, nano_onnx: Path) -> Path:
    """Copies of every kind of input, with a second name for the checkpoint."""
    shutil.copy(NANO_WEIGHTS, tmp_path / "w.pth")
    shutil.copy(nano_onnx, tmp_path / "m.onnx")
    shutil.copy(NANO / "images/000000001000.jpg", tmp_path / "p.jpg")
    (tmp_path / "names.txt").write_text("\n".join("abcdef"))
    (tmp_path / "link.onnx").symlink_to(tmp_path / "w.pth")
    return tmp_path


@pytest.mark.parametrize(
    "line",
    [
        "export w.pth -o w.pth --force",
        "export w.pth -o link.onnx --force",
        "export w.pth -o names.txt --class-names names.txt --force",
        "export w.pth -o p.jpg --image p.jpg --force",
        "convert-precision m.onnx --fp16 -o m.onnx --force",
        "build-engine m.onnx --timing-cache m.onnx --force",
        "compare w.pth m.onnx --json w.pth",
        "compare w.pth m.onnx --image p.jpg --json p.jpg",
    ],
)
def test_an_output_is_no_input(line: str, folder: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    monkeypatch.chdir(folder)
    assert "is an input of this command" in fails(capsys, *line.split())
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_build_plugins_replaces_nothing_but_a_library(folder: Path, capsys: Captured) -> None:
    before = (folder / "m.onnx").read_bytes()
    assert "no shared library" in fails(capsys, "build-plugins", "--arch", "87", "-o", folder / "m.onnx")
    assert (folder / "m.onnx").read_bytes() == before


def test_json_replaces_only_a_report_of_ours(folder: Path, capsys: Captured) -> None:
    notes = folder / "notes.json"
    notes.write_text('{"mine": 1}')
    for words in (["doctor"], ["compare", folder / "w.pth", folder / "m.onnx"]):
        assert "not a report of yolact-deploy" in fails(capsys, *words, "--json", notes)
        assert notes.read_text() == '{"mine": 1}'
    report = folder / "doctor.json"
    for _ in range(2):
        succeeds(capsys, "doctor", "--json", report)
    assert json.loads(report.read_text())["made_by"].startswith("yolact-deploy ")
