"""What `package web` writes and refuses, without a browser and without npm."""

from __future__ import annotations

import json
import re
from pathlib import Path

import onnx
import pytest

from tests.conftest import ROOT
from yolact_deploy.draw import PALETTE
from yolact_deploy.errors import MissingDependencyError, ModelFileError, OutputError, YolactDeployError
from yolact_deploy.export.graph.torch_to_onnx import ExportOptions, export_onnx
from yolact_deploy.packages.web import runtime
from yolact_deploy.packages.web.site import WebOptions, package_web

PAGE = ROOT / "yolact_deploy/packages/web/page"


@pytest.fixture
def runtime_dir(tmp_path: Path) -> Path:
    """Files with the runtime's names."""
    folder = tmp_path / "dist"
    folder.mkdir()
    for name in runtime.FILES:
        (folder / name).write_text(name)
    return folder


def test_the_folder_has_all_that_the_page_asks_for(nano_onnx: Path, runtime_dir: Path, tmp_path: Path) -> None:
    package = package_web(nano_onnx, WebOptions(tmp_path / "site", 0.3, runtime_dir))
    files = {str(path.relative_to(package.folder)) for path in package.folder.rglob("*") if path.is_file()}
    asked = set()
    for page in PAGE.iterdir():
        asked |= set(re.findall(r'(?:from |href=|src=|URL\(|fetched\()"(?:\./)?([\w./-]+\.\w+)"', page.read_text()))
    assert {"style.css", "page.js", "worker.js", "detections.js", "drawing.js", "model.json"} < asked
    assert asked <= files
    assert {f"runtime/{name}" for name in runtime.FILES} < files
    assert (package.folder / "model.onnx").read_bytes() == nano_onnx.read_bytes()
    assert package.size_bytes == sum(path.stat().st_size for path in package.folder.rglob("*") if path.is_file())
    described = json.loads((package.folder / "model.json").read_text())
    assert (described["masks"], described["resize"], described["shown_from"]) == ("prototype", "stretch", 0.3)
    assert described["class_names"][0] == "disk"
    blue, green, red = PALETTE[0]
    assert described["palette"][0] == f"#{red:02x}{green:02x}{blue:02x}"


def test_thresholds_of_classes_are_handed_on(nano_weights: Path, runtime_dir: Path, tmp_path: Path) -> None:
    options = ExportOptions(tmp_path / "model.onnx", thresholds={"square": 0.6})
    package = package_web(export_onnx(nano_weights, options).path, WebOptions(tmp_path / "site", 0.3, runtime_dir))
    described = json.loads((package.folder / "model.json").read_text())
    assert described["thresholds"] == [0.6 if name == "square" else None for name in described["class_names"]]


@pytest.mark.parametrize(
    ("options", "fact"),
    [
        ({"input_kind": "tensor"}, "--input tensor"),
        ({"input_kind": "planar"}, "--input planar"),
        ({"batch": 4}, "4 images"),
    ],
)
def test_what_the_page_cannot_feed_is_refused(
    nano_weights: Path, runtime_dir: Path, tmp_path: Path, options: dict, fact: str
) -> None:
    path = export_onnx(nano_weights, ExportOptions(tmp_path / "model.onnx", **options)).path
    with pytest.raises(ModelFileError, match=f"{fact}.*export it without"):
        package_web(path, WebOptions(tmp_path / "site", 0.3, runtime_dir))
    assert not (tmp_path / "site").exists()


def test_wrong_files_and_folders(nano_onnx: Path, nano_weights: Path, runtime_dir: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="export it first"):
        package_web(nano_weights, WebOptions(tmp_path / "site", 0.3, runtime_dir))
    foreign = onnx.load(nano_onnx)
    del foreign.metadata_props[:]
    onnx.save(foreign, tmp_path / "foreign.onnx")
    with pytest.raises(ModelFileError, match="not made by yolact-deploy"):
        package_web(tmp_path / "foreign.onnx", WebOptions(tmp_path / "site", 0.3, runtime_dir))
    (runtime_dir / runtime.FILES[2]).unlink()
    with pytest.raises(YolactDeployError, match=f"lacks {runtime.FILES[2]}"):
        package_web(nano_onnx, WebOptions(tmp_path / "site", 0.3, runtime_dir))
    (runtime_dir / runtime.FILES[2]).touch()
    (tmp_path / "site").mkdir()
    (tmp_path / "site/letter.txt").write_text("mine")
    with pytest.raises(OutputError, match="not written by yolact-deploy"):
        package_web(nano_onnx, WebOptions(tmp_path / "site", 0.3, runtime_dir, force=True))
    assert (tmp_path / "site/letter.txt").read_text() == "mine"


def npm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """A program of that name, which is all that PATH has besides the shell's own commands."""
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin/npm"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")


def test_npm_that_fails_or_lies_is_said(nano_onnx: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    npm(tmp_path, monkeypatch, 'echo "npm error network request to the registry failed" >&2; exit 1')
    with pytest.raises(YolactDeployError, match=r"network request to the registry failed.*--runtime-dir"):
        package_web(nano_onnx, WebOptions(tmp_path / "site", 0.3))
    (tmp_path / "bin/npm").write_text('#!/bin/sh\necho other > "$4/onnxruntime-web.tgz"\n')
    with pytest.raises(YolactDeployError, match="another file than onnxruntime-web"):
        package_web(nano_onnx, WebOptions(tmp_path / "site", 0.3))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingDependencyError, match=r"install npm, or pass --runtime-dir"):
        package_web(nano_onnx, WebOptions(tmp_path / "site", 0.3))
    assert not (tmp_path / "site").exists()
