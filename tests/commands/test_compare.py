"""`yolact-deploy compare` as it is called: table, JSON, exit status, wrong input."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper

from tests.conftest import NANO, PLUS_NANO_WEIGHTS, seeded_state_dict
from tests.running import Captured, fails, succeeds
from yolact_deploy import cli
from yolact_deploy.artifacts.tensor_names import feature_names
from yolact_deploy.config.model import ModelConfig
from yolact_deploy.export.precision.convert import convert_file


@pytest.fixture
def faulty(nano_onnx: Path, tmp_path: Path) -> Path:
    """An export whose FPN has a layer without bias."""
    model = onnx.load(nano_onnx)
    bias = next(tensor for tensor in model.graph.initializer if tensor.name == "model.fpn.lat_layers.0.bias")
    bias.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(bias) + 1, bias.name))
    onnx.save(model, tmp_path / "faulty.onnx")
    return tmp_path / "faulty.onnx"


def test_a_healthy_pair(nano_weights: Path, nano_onnx: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    shown = succeeds(capsys, "compare", nano_weights, nano_onnx)  # on the bundled picture
    lines = shown.splitlines()
    assert lines[0].startswith(f"A: {nano_weights}, fp32, PyTorch")
    assert "picture 300x384 px, tolerances of fp32" in lines
    table = [line for line in lines if " ok " in f"{line} "]
    assert [line.split()[0] for line in table[:3]] == ["network_input", "C3", "C4"]
    assert len(table) == 16
    assert max(len(line.rstrip()) for line in table) <= 100
    assert lines[-1] == "all 16 stages that were compared are within tolerance"


def test_a_fault(nano_weights: Path, faulty: Path, tmp_path: Path, capsys: Captured) -> None:
    picture = NANO / "images/000000001000.jpg"
    assert cli.run(["compare", str(nano_weights), str(faulty), "--image", str(picture), "--json", "-"]) == 1
    captured = capsys.readouterr()
    values = json.loads(captured.out)
    assert values["first_divergence"] == "P3"
    assert values["culprit"]["operator"] == "Conv fpn.lat_layers.0"
    assert values["stages"][3]["difference"]["relative"] < 1e-5
    assert values["suspect"] == {
        "path": str(faulty),
        "precision": "fp32",
        "description": values["suspect"]["description"],
    }
    assert captured.err.startswith(
        "error: first divergence in P3, at Conv fpn.lat_layers.0 (node network/node_conv2d_29): relative error "
    )
    assert captured.err.count("\n") == 1
    line = fails(capsys, "compare", nano_weights, faulty, "--json", tmp_path / "out.json", status=1)
    assert line == captured.err
    assert json.loads((tmp_path / "out.json").read_text())["notes"] == []


def test_infinity_is_null_in_json(nano_weights: Path, nano_onnx: Path, tmp_path: Path, capsys: Captured) -> None:
    model = onnx.load(nano_onnx)
    bias = next(tensor for tensor in model.graph.initializer if tensor.name == "model.proto_net.0.bias")
    bias.CopyFrom(numpy_helper.from_array(np.full(64, np.nan, np.float32), bias.name))
    onnx.save(model, tmp_path / "nan.onnx")
    assert cli.run(["compare", str(nano_weights), str(tmp_path / "nan.onnx"), "--json", "-"]) == 1
    values = json.loads(capsys.readouterr().out, parse_constant=lambda name: pytest.fail(name))
    assert values["first_divergence"] == "proto"
    stage = next(stage for stage in values["stages"] if stage["stage"] == "proto")
    assert stage["difference"] == {"max_abs": None, "mean_abs": None, "relative": None, "cosine": None}


def test_tolerance(nano_weights: Path, nano_onnx: Path, faulty: Path, tmp_path: Path, capsys: Captured) -> None:
    half = convert_file(nano_onnx, tmp_path / "half.onnx", "fp16").path
    succeeds(capsys, "compare", nano_weights, half)
    assert "first divergence in C3" in fails(capsys, "compare", nano_weights, half, "--tolerance", "1e-5", status=1)
    assert "first divergence in boxes" in fails(capsys, "compare", nano_weights, faulty, "--tolerance", "1e3", status=1)
    assert "tolerance -1.0: a number, 0 or more" in fails(capsys, "compare", nano_weights, half, "--tolerance", "-1")
    for text in ("nan", "inf"):
        line = fails(capsys, "compare", nano_weights, half, "--tolerance", text)
        assert f"tolerance {text}: a number, 0 or more" in line


def unnamed(source: Path, output: Path) -> Path:
    """As exports were before their stages had names."""
    model = onnx.load(source)
    old = dict.fromkeys(feature_names(ModelConfig.named("yolact_nano")))
    renamed = {name: f"value_{index}" for index, name in enumerate(old)}
    for node in model.graph.node:
        for names in (node.input, node.output):
            names[:] = [renamed.get(name, name) for name in names]
    onnx.save(model, output)
    return output


def test_an_older_export_is_told_to_export_again(
    nano_weights: Path, nano_onnx: Path, faulty: Path, tmp_path: Path, capsys: Captured
) -> None:
    old = unnamed(nano_onnx, tmp_path / "old.onnx")
    assert cli.run(["compare", str(nano_weights), str(old)]) == 0
    captured = capsys.readouterr()
    assert captured.err == (
        f"note: skipped C3, C4, C5, P3, P4, P5, P6, P7: {old} was exported before they had names: export it again\n"
    )
    assert captured.out.splitlines()[-1] == "all 8 stages that were compared are within tolerance"
    old_faulty = unnamed(faulty, tmp_path / "old_faulty.onnx")
    assert cli.run(["compare", str(nano_weights), str(old_faulty)]) == 1
    # The operators are known all the same.
    assert "first divergence in proto, at Conv fpn.lat_layers.0 (node" in capsys.readouterr().err


def save_as(config: ModelConfig, source: Path, output: Path) -> Path:
    """`source` with another configuration in its metadata."""
    model = onnx.load(source)
    entry = next(entry for entry in model.metadata_props if entry.key == "yolact_deploy.config")
    entry.value = json.dumps(config.to_dict())
    onnx.save(model, output)
    return output


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"image_size": 128}, "has image_size 256, not 128 as"),
        ({"class_names": ("one", "two")}, "has 6 classes, not 2 as"),
        ({"square_anchors": False}, "has square_anchors True, not False as"),
        ({"num_prototypes": 16}, "has num_prototypes 32, not 16 as"),
    ],
)
def test_other_models(
    changes: dict[str, Any], message: str, nano_weights: Path, nano_onnx: Path, tmp_path: Path, capsys: Captured
) -> None:
    other = save_as(replace(ModelConfig.named("yolact_nano"), **changes), nano_onnx, tmp_path / "other.onnx")
    line = fails(capsys, "compare", nano_weights, other)
    assert message in line
    assert "compare two files of one model" in line


def test_wrong_input(nano_weights: Path, nano_onnx: Path, tmp_path: Path, capsys: Captured) -> None:
    line = fails(capsys, "compare", nano_weights, PLUS_NANO_WEIGHTS)
    assert "has backbone.dcn_layers (), not (0, 2, 2, 2) as" in line  # both are described as a ResNet-26
    assert "compare two files of one model" in line
    assert "no such file" in fails(capsys, "compare", nano_weights, tmp_path / "nothing.onnx")
    assert "unknown kind of model file" in fails(capsys, "compare", nano_weights, tmp_path / "model.txt")
    (tmp_path / "broken.onnx").write_bytes(nano_onnx.read_bytes()[:1000])
    assert "not an ONNX file, or truncated" in fails(capsys, "compare", nano_weights, tmp_path / "broken.onnx")
    assert "cannot read image" in fails(capsys, "compare", nano_weights, nano_onnx, "--image", tmp_path / "no.jpg")
    assert "unknown device" in fails(capsys, "compare", nano_weights, nano_onnx, "--device", "tpu")
    assert "is a folder" in fails(capsys, "compare", nano_weights, nano_onnx, "--json", tmp_path)
    half = convert_file(nano_onnx, tmp_path / "half.onnx", "bf16").path
    assert "build an engine from it" in fails(capsys, "compare", nano_onnx, half)


def test_a_configuration_that_neither_file_takes(nano_weights: Path, nano_onnx: Path, capsys: Captured) -> None:
    line = fails(capsys, "compare", nano_onnx, nano_onnx, "--config", "yolact_nano")
    assert f"{nano_onnx} brings its own configuration, as {nano_onnx} does" in line
    for pair in ((nano_weights, nano_onnx), (nano_onnx, nano_weights)):
        succeeds(capsys, "compare", *pair, "--config", "yolact_nano")


def test_names_of_classes_and_unusual_pictures_do_not_matter(
    nano_weights: Path, nano_onnx: Path, tmp_path: Path, capsys: Captured
) -> None:
    named = save_as(
        ModelConfig.named("yolact_nano").with_class_names(tuple("abcdef")), nano_onnx, tmp_path / "named.onnx"
    )
    cv2.imwrite(str(tmp_path / "grey.png"), np.full((31, 517), 90, np.uint8))
    succeeds(capsys, "compare", nano_weights, named, "--image", tmp_path / "grey.png")


def test_a_configuration_of_ones_own(tmp_path: Path, capsys: Captured) -> None:
    """Four levels instead of five, which no named configuration has."""
    config = replace(ModelConfig.named("yolact_nano"), name="four", image_size=96, scales=((11,), (22,), (44,), (89,)))
    (tmp_path / "four.json").write_text(json.dumps(config.to_dict()))
    torch.save(seeded_state_dict(config), tmp_path / "four_1_1.pth")
    own = ("--config", tmp_path / "four.json")
    succeeds(capsys, "export", tmp_path / "four_1_1.pth", "-o", tmp_path / "four.onnx", *own)
    shown = succeeds(capsys, "compare", tmp_path / "four_1_1.pth", tmp_path / "four.onnx", *own)
    assert "P6" in shown
    assert "P7" not in shown
