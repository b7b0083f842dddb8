"""Models on the bundled pictures: an export passes, and each kind of wrong model fails."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import PLUS_NANO_WEIGHTS
from yolact_deploy.benchmarks.accuracy.dataset import load_dataset
from yolact_deploy.benchmarks.selftest import pictures
from yolact_deploy.benchmarks.selftest.stored import Picture, Stored
from yolact_deploy.predictor import Predictor
from yolact_deploy.types import Image, NetworkDetections

COUNT = 6


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few pictures, which have another AP than all."""
    monkeypatch.setattr(pictures, "load_dataset", lambda folder: load_dataset(folder, limit=COUNT))
    monkeypatch.setattr(pictures, "_has_pycocotools", lambda: False)


def run(capsys: pytest.CaptureFixture[str], *models: Path) -> dict[str, Any]:
    assert pictures.main([*map(str, models), "--device", "cpu", "--seconds", "0.01"]) == 0
    return dict(json.loads(capsys.readouterr().out))


def test_an_export_passes(nano_onnx: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = run(capsys, nano_onnx)
    assert (found["pictures"], found["sizes"]) == (64, 8)
    (model,) = found["models"]
    assert model["failures"] == []
    assert model["matched"] == model["looked_up"] > 1000
    assert abs(model["box_ap_difference"]) < 0.01
    assert abs(model["mask_ap_difference"]) < 0.01
    assert model["mask_area_agreement"] > 0.999
    assert found["fps"] > 0
    assert found["gpu_ms"] is None


@pytest.mark.usefixtures("few")
def test_two_models_at_once(nano_onnx: Path, nano_image_masks_onnx: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = run(capsys, nano_onnx, nano_image_masks_onnx)
    assert [(model["failures"], model["box_ap_difference"]) for model in found["models"]] == [([], None)] * 2


@pytest.mark.usefixtures("few")
def test_a_model_of_another_checkpoint(capsys: pytest.CaptureFixture[str]) -> None:
    assert pictures.main([str(PLUS_NANO_WEIGHTS), "--device", "cpu"]) == 2
    assert "was not made from the bundled checkpoint" in capsys.readouterr().err


def changed(picture: Picture, name: str) -> Picture:
    values = {"classes": picture.classes + 1, "areas": picture.areas * 2, "exact_boxes": picture.exact_boxes + 9}
    return replace(picture, **{name: values[name]})


@pytest.mark.usefixtures("few")
@pytest.mark.parametrize(
    ("name", "reason"), [("classes", "detections match"), ("exact_boxes", "detections match"), ("areas", "mask areas")]
)
def test_other_detections_fail_the_gate(
    nano_onnx: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, name: str, reason: str
) -> None:
    right = Stored.read()
    wrong = replace(right, pictures={key: changed(picture, name) for key, picture in right.pictures.items()})
    monkeypatch.setattr(Stored, "read", lambda: wrong)
    (model,) = run(capsys, nano_onnx)["models"]
    assert reason in " ".join(model["failures"])


def test_another_average_precision_fails_the_gate(
    nano_onnx: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pictures, "average_precision", lambda *_: (0.5, 0.5))
    monkeypatch.setattr(pictures, "load_dataset", lambda folder: load_dataset(folder, limit=COUNT))
    (model,) = run(capsys, nano_onnx)["models"]
    assert "AP differs" in " ".join(model["failures"])


@pytest.mark.usefixtures("few")
def test_a_model_that_gives_something_else_when_run_again(
    nano_onnx: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as one that keeps rows of the picture before."""
    detect, calls = Predictor.detect, []

    def forgetful(self: Predictor, images: list[Image]) -> list[NetworkDetections]:
        calls.append(images)
        found = detect(self, images)
        return found if len(calls) <= COUNT else [each[1:] for each in found]

    monkeypatch.setattr(Predictor, "detect", forgetful)
    (model,) = run(capsys, nano_onnx)["models"]
    assert sum("run again" in failure for failure in model["failures"]) > 1


@pytest.mark.usefixtures("few")
def test_a_model_that_finds_nothing(
    nano_onnx: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    detect = Predictor.detect
    monkeypatch.setattr(Predictor, "detect", lambda self, images: [each[:0] for each in detect(self, images)])
    (model,) = run(capsys, nano_onnx)["models"]
    assert "detections match" in " ".join(model["failures"])
