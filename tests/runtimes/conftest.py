"""Engines on a stand-in GPU: see tests/machine_stand_in.py."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.gpu_stand_in import FakeGpu
from tests.machine_stand_in import BINDINGS, machine_with_gpu
from yolact_deploy.export.engine.build import build_engine
from yolact_deploy.export.engine.options import EngineOptions
from yolact_deploy.types import ImageSize

SMALL, LARGE = ImageSize(64, 64), ImageSize(320, 400)


@pytest.fixture(params=BINDINGS)
def binding(request: pytest.FixtureRequest) -> str:
    """Which binding of CUDA is installed."""
    return str(request.param)


@pytest.fixture
def gpu(binding: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[FakeGpu]:
    """A stand-in GPU with TensorRT 11.4 and one binding of CUDA; nothing of it is left after the test."""
    with machine_with_gpu(monkeypatch, tmp_path / "cache", binding) as gpu:
        yield gpu


@pytest.fixture
def engine(gpu: FakeGpu, nano_onnx: Path, tmp_path: Path) -> Path:
    """An engine of the bundled model for images from SMALL to LARGE, batch 1."""
    output = tmp_path / "nano.engine"
    return build_engine(nano_onnx, EngineOptions(output, min_size=SMALL, max_size=LARGE)).path


@pytest.fixture
def batch_engine(gpu: FakeGpu, nano_dynamic_onnx: Path, tmp_path: Path) -> Path:
    """The same for batches of 1 to 3."""
    output = tmp_path / "batch.engine"
    options = EngineOptions(output, min_size=SMALL, max_size=LARGE, batch=(1, 2, 3))
    return build_engine(nano_dynamic_onnx, options).path
