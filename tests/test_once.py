"""What is shared by the workers of a test run is made once, and never mistaken for something else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import onnx
import pytest
import torch
from torch import nn

from tests.once import made_once, traced_once
from yolact_deploy.config.model import ModelConfig


def test_a_folder_is_filled_once(tmp_path: Path) -> None:
    def fail(folder: Path) -> None:
        (folder / "half").touch()
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        made_once(tmp_path / "a", fail)
    made = made_once(tmp_path / "a", lambda folder: (folder / "whole").touch())
    assert made_once(tmp_path / "a", fail) == made
    assert sorted(path.name for path in made.iterdir()) == [".done", "whole"]


def test_a_graph_is_traced_again_for_other_weights_layers_and_values(tmp_path: Path) -> None:
    calls = []

    def trace(module: nn.Module, batch: int | None, form: str = "plain") -> onnx.GraphProto:
        calls.append((module, batch, form))
        return onnx.GraphProto(name=f"{len(calls)}")

    traced = traced_once(trace, tmp_path)
    module = nn.Conv2d(1, 1, 3)
    assert traced(module, 1).name == traced(module, 1, "plain").name == traced(module=module, batch=1).name == "1"
    assert traced(module, None).name == "2"
    assert traced(module, 1, "other").name == "3"
    dilated = nn.Conv2d(1, 1, 3, dilation=2)
    dilated.load_state_dict(module.state_dict())
    assert traced(dilated, 1).name == "4"
    with torch.no_grad():
        module.weight[0, 0, 0, 0] += 1
    assert traced(module, 1).name == "5"


def test_names_of_classes_are_no_reason_to_trace_again(tmp_path: Path) -> None:
    configs = []

    def trace(config: ModelConfig) -> onnx.GraphProto:
        configs.append(config)
        return onnx.GraphProto(name=f"{len(configs)}")

    traced, config = traced_once(trace, tmp_path), ModelConfig.named("yolact_nano")
    assert traced(config).name == traced(config.with_class_names(tuple("abcdef"))).name == "1"
    assert traced(replace(config, image_size=128)).name == "2"
