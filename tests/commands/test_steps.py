"""Commands that were meant otherwise, what an export says, and names of classes in every command."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.conftest import NANO, NANO_WEIGHTS
from tests.running import Captured, fails, succeeds
from yolact_deploy import cli

PICTURE = NANO / "images/000000001000.jpg"
NAMES = "bolt,nut,screw,pin,ring,clip"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("export m.pth -o x.engine", "yolact-deploy export m.pth -o x.onnx && yolact-deploy build-engine x.onnx"),
        ("export 'a b.pth' -o x.trt", "export 'a b.pth' -o x.onnx && yolact-deploy build-engine x.onnx -o x.trt"),
        ("export m.onnx -o x.engine", "yolact-deploy build-engine m.onnx -o x.engine"),
        ("export m.onnx -o x.onnx", "exported file already"),
        ("export m.engine -o x.onnx", "export its checkpoint"),
        ("export m.pth -o x.pth", "ends in .onnx, as in x.onnx"),
        ("export m.pth -o x", "ends in .onnx, as in x.onnx"),
        ("build-engine m.pth", "yolact-deploy export m.pth -o m.onnx && yolact-deploy build-engine m.onnx"),
        ("build-engine m.pth -o x.engine", "yolact-deploy build-engine m.onnx -o x.engine"),
        ("build-engine m.engine -o x.engine", "is an engine already"),
    ],
)
def test_it_says_what_was_meant(
    capsys: Captured, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: str, said: str
) -> None:
    import shlex

    monkeypatch.chdir(tmp_path)
    assert said in fails(capsys, *shlex.split(words))
    assert list(tmp_path.iterdir()) == []


def test_an_export_says_what_it_does(capsys: Captured, tmp_path: Path) -> None:
    lines = succeeds(capsys, "export", NANO_WEIGHTS, "-o", tmp_path / "a.onnx", "--thresholds", "disk=0.4").splitlines()
    starts = [next(index for index, line in enumerate(lines) if line.startswith(word)) for word in
              ("reading", "exporting yolact_nano", "checking", "output", "thresholds: disk 0.4")]  # fmt: skip
    assert starts == sorted(starts)


@pytest.fixture(scope="module")
def three_classes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint with three of the six classes, of which nobody knows the names."""
    path = tmp_path_factory.mktemp("names") / "yolact_nano_1_2.pth"
    weights = torch.load(NANO_WEIGHTS, weights_only=True)
    for key, tensor in weights.items():
        if ".conf_layer." in key:
            anchors = tensor.shape[0] // 7
            weights[key] = tensor.reshape(anchors, 7, *tensor.shape[1:])[:, :4].flatten(0, 1)
        if key.startswith("semantic_seg_conv"):
            weights[key] = tensor[:3]
    torch.save(weights, path)
    return path


@pytest.mark.parametrize("command", ["infer", "inspect", "compare", "export"])
def test_advice_never_asks_for_what_was_given(
    capsys: Captured, tmp_path: Path, three_classes: Path, command: str
) -> None:
    line = {
        "infer": ["infer", PICTURE, "-m", three_classes, "-o", tmp_path / "out", "--force"],
        "inspect": ["inspect", three_classes],
        "compare": ["compare", three_classes, three_classes],
        "export": ["export", three_classes, "-o", tmp_path / "a.onnx", "--force"],
    }[command]
    for names, is_asked in ((None, True), ("bolt,nut,screw", False)):
        given = [] if names is None else ["--class-names", names]
        assert cli.run([str(word) for word in (*line, *given)]) == 0
        assert ("--class-names" in capsys.readouterr().err) == is_asked
    capsys.readouterr()
    assert "2 class names given" in fails(capsys, *line, "--class-names", "bolt,nut")


def test_class_names_are_used(capsys: Captured, tmp_path: Path, nano_onnx: Path) -> None:
    assert "bolt, nut, screw" in succeeds(capsys, "inspect", nano_onnx, "--class-names", NAMES)
    assert "bolt, nut, screw" in succeeds(capsys, "inspect", NANO_WEIGHTS, "--class-names", NAMES)
    target = tmp_path / "a.json"
    options = ("--class-names", NAMES, "--classes", "bolt", "--thresholds", "bolt=0.9")
    succeeds(capsys, "infer", PICTURE, "-m", nano_onnx, "--json", target, *options)
    import json

    content = json.loads(target.read_text())
    assert [category["name"] for category in content["categories"]] == NAMES.split(",")
    assert {entry["category_id"] for entry in content["annotations"]} == {1}
    assert all(entry["score"] >= 0.9 for entry in content["annotations"])
