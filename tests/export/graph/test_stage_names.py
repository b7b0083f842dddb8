"""The stages inside the network have names in every exported file, and cost it nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from tests.conftest import seeded_state_dict
from yolact_deploy.artifacts.tensor_names import NETWORK_INPUT, RAW_OUTPUTS, feature_names
from yolact_deploy.checkpoints.reader import read_checkpoint
from yolact_deploy.config.model import ModelConfig
from yolact_deploy.export.engine.debug_outputs import add_debug_outputs
from yolact_deploy.export.graph import network
from yolact_deploy.export.graph.tracing import trace
from yolact_deploy.export.precision.convert import convert_precision
from yolact_deploy.models.yolact import Yolact
from yolact_deploy.runtimes.onnxruntime import create_session
from yolact_deploy.types import Image


class RawOnly(nn.Module):
    """The network traced for its outputs alone."""

    def __init__(self, model: Yolact) -> None:
        super().__init__()
        self.model = model

    def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, ...]:
        raw = self.model(image)
        return tuple(getattr(raw, name) for name in RAW_OUTPUTS)


def test_names_are_all_that_is_added(nano_weights: Path) -> None:
    model = read_checkpoint(nano_weights).build()
    named = network.export_network(model, 1, "none")
    plain = trace(RawOnly(model), {NETWORK_INPUT: torch.zeros(1, 3, 256, 256)}, RAW_OUTPUTS, False, "network")
    assert [value.name for value in named.output] == [value.name for value in plain.output] == list(RAW_OUTPUTS)
    renamed: dict[str, str] = {}
    for ours, theirs in zip(named.node, plain.node, strict=True):
        assert (ours.op_type, ours.name) == (theirs.op_type, theirs.name)
        assert list(ours.attribute) == list(theirs.attribute)
        assert list(ours.input) == [renamed.get(name, name) for name in theirs.input]
        renamed |= dict(zip(theirs.output, ours.output, strict=True))
    added = {new for old, new in renamed.items() if old != new}
    assert added == set(feature_names(model.config))
    assert list(named.initializer) == list(plain.initializer)


def test_darknet_has_the_same_names() -> None:
    config = ModelConfig.from_dict(
        {
            "base": "yolact_darknet53",
            "image_size": 64,
            "backbone": {"depths": [1, 1, 1, 1, 1], "width": 16},
            "fpn_channels": 16,
            "proto_channels": 16,
            "head_channels": 16,
        }
    )
    model = Yolact(config)
    model.load_state_dict(seeded_state_dict(config))
    graph = network.export_network(model, None)
    names = {name for node in graph.node for name in node.output}
    assert set(feature_names(config)) == {"C3", "C4", "C5", "P3", "P4", "P5", "P6", "P7"} <= names


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
@pytest.mark.parametrize("batch", [1, None])
def test_debug_outputs(
    precision: str, batch: int | None, nano_onnx: Path, nano_dynamic_onnx: Path, nano_image: Image
) -> None:
    source = onnx.load(nano_onnx if batch else nano_dynamic_onnx)
    model = source if precision == "fp32" else convert_precision(source, precision)
    before = [value.name for value in model.graph.output]
    plain = create_session(model.SerializeToString(), "plain", device="cpu")
    config = ModelConfig.named("yolact_nano")
    add_debug_outputs(model, config, "nano.onnx")
    onnx.checker.check_model(model, full_check=True)
    added = model.graph.output[len(before) :]
    assert [value.name for value in added] == [NETWORK_INPUT, *feature_names(config), "proto", "loc", "conf", "coef"]
    feed = {"image": np.repeat(nano_image[None], batch or 3, axis=0)}
    session = create_session(model.SerializeToString(), "with debug outputs", device="cpu")
    names = [value.name for value in model.graph.output]
    outputs = dict(zip(names, session.run(names, feed), strict=True))
    for value in added:
        shape = [size.dim_value or len(feed["image"]) for size in value.type.tensor_type.shape.dim]
        assert outputs[value.name].dtype == np.float32
        assert list(outputs[value.name].shape) == shape
    for name, expected in zip(before, plain.run(before, feed), strict=True):
        np.testing.assert_allclose(outputs[name], expected, atol=2e-2 if precision == "fp16" else 1e-4)
