"""Faults planted in the PyTorch model, with a healthy exported file as the reference."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.diagnosis.planted import compare
from yolact_deploy.models import layers as layers_module
from yolact_deploy.models import yolact as model_module
from yolact_deploy.ops import postprocess as postprocess_module
from yolact_deploy.runtimes import pytorch as runtime_module
from yolact_deploy.types import Image

Plant = Callable[[pytest.MonkeyPatch], None]


class With:
    """A module with some functions replaced."""

    def __init__(self, module: Any, **replaced: Callable[..., Any]) -> None:
        self._module, self._replaced = module, replaced

    def __getattr__(self, name: str) -> Any:
        return self._replaced.get(name) or getattr(self._module, name)


def functions(**replaced: Callable[..., Any]) -> Plant:
    """Replace functions of torch.nn.functional that the model calls."""

    def plant(monkeypatch: pytest.MonkeyPatch) -> None:
        for module in (model_module, layers_module):
            monkeypatch.setattr(module, "F", With(torch.nn.functional, **replaced))

    return plant


def aligned(x: torch.Tensor, align_corners: bool, **rest: Any) -> torch.Tensor:
    return torch.nn.functional.interpolate(x, align_corners=True, **rest)


def relu_but_of_prototypes(x: torch.Tensor) -> torch.Tensor:
    return x if x.shape[1] == 32 else torch.relu(x)


def preprocessed(edit: Callable[[torch.Tensor], torch.Tensor]) -> Plant:
    healthy = runtime_module.preprocess
    return lambda monkeypatch: monkeypatch.setattr(
        runtime_module, "preprocess", lambda *arguments: edit(healthy(*arguments))
    )


def priors(monkeypatch: pytest.MonkeyPatch) -> None:
    healthy = model_module.make_priors
    monkeypatch.setattr(model_module, "make_priors", lambda config: healthy(config) * np.float32(1.05))


def no_tanh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_module, "torch", With(torch, tanh=lambda x: x))


def no_crop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postprocess_module, "crop", lambda masks, boxes: masks)


FAULTS: dict[str, tuple[Plant, str, str]] = {
    "corners": (functions(interpolate=aligned), "P3", "Resize after Conv fpn.lat_layers.0"),
    "softmax": (functions(softmax=lambda x, dim: x), "conf", "Softmax after Conv prediction_layers.0.conf_layer on P3"),
    "proto": (functions(relu=relu_but_of_prototypes), "proto", "Relu after Conv proto_net.10"),
    "tanh": (no_tanh, "coef", "Tanh after Conv prediction_layers.0.mask_layer on P3"),
    "channel order": (preprocessed(lambda x: x.flip(1)), "network_input", "Gather"),
    "mean": (preprocessed(lambda x: x + 0.05), "network_input", "Add"),
    "std": (preprocessed(lambda x: x * 1.05), "network_input", "Mul"),
    "priors": (priors, "boxes", "priors"),
    "no crop": (no_crop, "masks", "YolactMaskAssembly"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_file_and_a_model_with_a_fault(
    fault: str, nano_onnx: Path, nano_weights: Path, nano_image: Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant, stage, operator = FAULTS[fault]
    plant(monkeypatch)
    comparison = compare(nano_onnx, nano_weights, nano_image)
    assert comparison.first_divergence is not None
    assert comparison.first_divergence.stage == stage
    assert comparison.culprit is not None
    assert comparison.culprit.operator == operator


@pytest.mark.parametrize(
    ("layer", "stage"),
    [
        ("fpn.lat_layers.0", "P3"),
        ("fpn.lat_layers.2", "P3"),
        ("fpn.pred_layers.0", "P5"),
        ("fpn.pred_layers.1", "P4"),
        ("backbone.layers.2.1.conv3", "C4"),
        ("prediction_layers.0.bbox_layer", "loc"),
    ],
)
def test_two_checkpoints_of_which_one_has_other_weights(
    layer: str, stage: str, nano_weights: Path, nano_image: Image, tmp_path: Path
) -> None:
    state = torch.load(nano_weights, weights_only=True)
    weight = state[f"{layer}.weight"]
    state[f"{layer}.weight"] = weight + 0.01 * weight.std() * torch.randn(
        weight.shape, generator=torch.Generator().manual_seed(1)
    )
    torch.save(state, tmp_path / nano_weights.name)
    comparison = compare(nano_weights, tmp_path / nano_weights.name, nano_image)
    assert comparison.first_divergence is not None
    assert comparison.first_divergence.stage == stage
    assert comparison.culprit is not None
    assert comparison.culprit.operator.startswith(f"Conv {layer}")
    assert any("different checkpoints" in note for note in comparison.notes)


def test_a_batch_norm_with_other_statistics(
    nano_onnx: Path, nano_weights: Path, nano_image: Image, tmp_path: Path
) -> None:
    state = torch.load(nano_weights, weights_only=True)
    state["backbone.layers.1.1.bn2.running_mean"] += 0.1
    torch.save(state, tmp_path / nano_weights.name)
    comparison = compare(nano_onnx, tmp_path / nano_weights.name, nano_image)
    assert comparison.first_divergence is not None
    assert comparison.first_divergence.stage == "C3"
    assert comparison.culprit is not None
    assert comparison.culprit.operator == "Conv backbone.layers.1.1.conv2"  # which it is folded into
