"""One plugin library serves every engine of a process; tests/plugins/test_registry.py does it with a real registry."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.gpu_stand_in import FakeGpu
from tests.machine_stand_in import machine_with_gpu
from tests.shared_library import named_plugin_library
from tests.tensorrt_stand_in import IPluginRegistry
from yolact_deploy.artifacts.manifest import Manifest
from yolact_deploy.errors import ModelFileError
from yolact_deploy.export.engine.build import build_engine
from yolact_deploy.export.engine.options import EngineOptions
from yolact_deploy.trt.engine_file import open_engine
from yolact_deploy.trt.library import load_tensorrt
from yolact_deploy.trt.plugin_registry import load_plugins


@pytest.fixture(autouse=True)
def gpu(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[FakeGpu]:
    with machine_with_gpu(monkeypatch, tmp_path / "cache", "cuda-python") as gpu:
        yield gpu


@pytest.fixture
def registry(gpu: FakeGpu) -> IPluginRegistry:
    found: IPluginRegistry = sys.modules["tensorrt"].get_plugin_registry()
    return found


def test_engines_are_built_and_opened_with_one_library(
    registry: IPluginRegistry, nano_onnx: Path, tmp_path: Path
) -> None:
    library = named_plugin_library(tmp_path / "plugins.so", 11)
    engines = [
        build_engine(nano_onnx, EngineOptions(tmp_path / f"{name}.engine", plugins=library)).path for name in "ab"
    ]
    for engine in (*engines, *engines):
        open_engine(engine, Manifest.read(engine)).backend.close()
    assert registry.loaded == [str(library)]


def test_a_second_library_is_refused(registry: IPluginRegistry, tmp_path: Path) -> None:
    first = named_plugin_library(tmp_path / "first.so", 11)
    second = named_plugin_library(tmp_path / "second.so", 11, "other code")
    load_plugins(load_tensorrt(), first)
    with pytest.raises(ModelFileError, match=r"second\.so is another plugin library than .*first\.so, .* one per proc"):
        load_plugins(load_tensorrt(), second)
    assert registry.loaded == [str(first)]


def test_plugins_that_other_code_has_registered(registry: IPluginRegistry, tmp_path: Path) -> None:
    registry.load_library("their own")
    with pytest.raises(ModelFileError, match="other code in this process has registered YolactFastNMS and YolactMaskA"):
        load_plugins(load_tensorrt(), named_plugin_library(tmp_path / "plugins.so", 11))


def test_a_library_that_was_refused_does_not_stand_in_the_way(registry: IPluginRegistry, tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="was compiled for TensorRT 10, here is TensorRT 11"):
        load_plugins(load_tensorrt(), named_plugin_library(tmp_path / "old.so", 10))
    good = named_plugin_library(tmp_path / "good.so", 11)
    load_plugins(load_tensorrt(), good)
    assert registry.loaded == [str(good)]
