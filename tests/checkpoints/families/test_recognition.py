"""The family of a checkpoint: found from its keys, or named by the user where keys do not tell."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import typer
from typer.testing import CliRunner

from yolact_deploy import cli
from yolact_deploy.checkpoints.families import recognition
from yolact_deploy.checkpoints.families.family import Family
from yolact_deploy.checkpoints.families.names import FAMILY_NAMES
from yolact_deploy.checkpoints.families.official import OFFICIAL
from yolact_deploy.checkpoints.families.recognition import FAMILIES, family_of
from yolact_deploy.checkpoints.reader import load_checkpoint, read_checkpoint
from yolact_deploy.errors import CheckpointError, YolactDeployError
from yolact_deploy.predictor import Predictor

EDGE = {"fpn_phase_1.lat_layers.0.weight": torch.zeros(1)}
TWO_FAMILIES = {"either.weight": torch.zeros(1)}


def made_up(option: str) -> Family:
    return Family(option, option, (), lambda tensors: "either.weight" in tensors, OFFICIAL.translate)


def test_every_family_has_an_option() -> None:
    assert sorted(family.option for family in FAMILIES) == sorted(FAMILY_NAMES)


def test_the_option_decides_where_tensors_fit_two_families(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = made_up("first"), made_up("second")
    monkeypatch.setattr(recognition, "FAMILIES", (first, second, OFFICIAL))
    assert family_of(TWO_FAMILIES) is first
    assert family_of(TWO_FAMILIES, "second") is second
    with pytest.raises(CheckpointError, match="those of first or second"):
        family_of(TWO_FAMILIES, "official")


@pytest.mark.parametrize(
    ("tensors", "wanted", "said"),
    [
        (EDGE, "official", "those of YolactEdge"),
        (EDGE, "mmdetection", "those of YolactEdge"),
        ({"proto_net.0.weight": torch.zeros(1)}, "yolact-edge", "not those of that code"),
        (EDGE, "mmdet", "unknown family 'mmdet': use one of mmdetection, official, yolact-edge"),
    ],
)
def test_a_family_that_the_tensors_contradict_is_refused(
    tensors: dict[str, torch.Tensor], wanted: str, said: str
) -> None:
    with pytest.raises(CheckpointError, match=said):
        family_of(tensors, wanted)


def test_it_is_refused_by_every_way_to_open_a_checkpoint(nano_weights: Path) -> None:
    for call in (
        lambda: read_checkpoint(nano_weights, family="yolact-edge"),
        lambda: load_checkpoint(nano_weights, family="yolact-edge"),
        lambda: Predictor.open(nano_weights, family="yolact-edge"),
    ):
        with pytest.raises(CheckpointError, match=rf"{nano_weights.name}: --family says yolact-edge"):
            call()


COMMANDS = {
    "export": ["export", "{}", "-o", "out.onnx"],
    "inspect": ["inspect", "{}"],
    "infer": ["infer", "{image}", "--model", "{}", "-o", "out.jpg"],
    "compare": ["compare", "{}", "{}"],
    "bench": ["bench", "{}"],
}


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_that_opens_checkpoints_takes_it(
    command: str,
    nano_weights: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    image = nano_weights.parent / "images/000000001000.jpg"
    words = [word.format(nano_weights, image=image) for word in COMMANDS[command]]
    assert cli.run([*words, "--family", "yolact-edge"]) == cli.STATUS_AT_FAULT
    assert "--family says yolact-edge" in " ".join(capsys.readouterr().err.split())


def test_no_other_command_needs_it() -> None:
    """Those with `--config` open checkpoints."""
    group = typer.main.get_command(cli.app)
    for name in group.commands:  # type: ignore[attr-defined]
        text = CliRunner().invoke(cli.app, [name, "--help"], env={"COLUMNS": "200"}).output
        assert ("--family" in text) == ("--config" in text), name


@pytest.mark.parametrize("command", ["inspect", "compare", "bench", "infer"])
def test_it_is_refused_for_files_that_are_no_checkpoints(
    command: str, nano_onnx: Path, nano_weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    image = nano_weights.parent / "images/000000001000.jpg"
    words = [word.format(nano_onnx, image=image) for word in COMMANDS[command]]
    if command == "infer":
        words[-1] = str(tmp_path / "out.jpg")
    assert cli.run([*words, "--family", "official"]) == cli.STATUS_AT_FAULT
    assert "family" in capsys.readouterr().err
    with pytest.raises(YolactDeployError, match="no checkpoint"):
        Predictor.open(nano_onnx, family="official")


def test_the_right_family_changes_nothing(nano_weights: Path) -> None:
    assert read_checkpoint(nano_weights, family="official").config == read_checkpoint(nano_weights).config
