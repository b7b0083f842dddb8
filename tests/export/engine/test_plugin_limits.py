"""Models that are more than the plugins take are built from the graph's own functions, or refused before the build."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.gpu_stand_in import FakeGpu
from tests.machine_stand_in import machine_with_gpu
from tests.shared_library import named_plugin_library
from yolact_deploy.config.model import ModelConfig
from yolact_deploy.errors import ModelFileError
from yolact_deploy.export.engine import build as engine_module
from yolact_deploy.export.engine import plugin_limits
from yolact_deploy.export.engine.build import build_engine
from yolact_deploy.export.engine.options import EngineOptions
from yolact_deploy.export.engine.plugin_limits import beyond_plugins


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[FakeGpu]:
    with machine_with_gpu(monkeypatch, tmp_path / "cache", "cuda-python") as gpu:
        yield gpu


def test_the_limits_are_those_of_the_plugins() -> None:
    text = "".join((ROOT / f"plugins/{name}/problem.h").read_text() for name in ("fast_nms", "mask_assembly"))
    there = {name: int(value) for name, value in re.findall(r"constexpr int (kMax\w+) = (\d+);", text)}
    assert there["kMaxCoefs"] == there["kMaxMaskCoefs"] == plugin_limits.MAX_COEFS
    assert there["kMaxPriors"] == plugin_limits.MAX_PRIORS
    assert there["kMaxClasses"] == plugin_limits.MAX_CLASSES
    assert there["kMaxMaskSide"] == plugin_limits.MAX_MASK_SIDE


def test_what_is_beyond_is_named() -> None:
    most = replace(ModelConfig(), num_prototypes=64)
    assert beyond_plugins(most) == beyond_plugins(ModelConfig.named("yolact_plus_base")) == ""
    assert beyond_plugins(replace(most, mask_proto_bias=True)).startswith("65 mask coefficients")
    assert beyond_plugins(ModelConfig().with_num_classes(1025)).startswith("1025 classes")
    large = replace(ModelConfig.named("yolact_plus_base"), image_size=700)
    assert beyond_plugins(large) == f"{large.num_priors} anchors, and plugins take 65536"


def test_such_a_model_is_built_without_them(
    nano_onnx: Path, tmp_path: Path, gpu: FakeGpu, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_module, "beyond_plugins", lambda config: "65 of something")
    result = build_engine(nano_onnx, EngineOptions(tmp_path / "model.engine"))
    assert result.manifest.plugins is None
    assert any("65 of something" in note for note in result.notes)
    library = named_plugin_library(tmp_path / "mine.so", 11)
    with pytest.raises(ModelFileError, match=r"has 65 of something, .*: leave out --plugins"):
        build_engine(nano_onnx, EngineOptions(tmp_path / "other.engine", plugins=library))
