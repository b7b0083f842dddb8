"""Fixtures of the comparisons."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import PLUS_NANO_WEIGHTS
from yolact_deploy.export.torch_to_onnx import ExportOptions, export_onnx


@pytest.fixture(scope="session")
def plus_onnx(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A YOLACT++ nano exported with the defaults; read only."""
    return export_onnx(PLUS_NANO_WEIGHTS, ExportOptions(tmp_path_factory.mktemp("plus") / "plus.onnx")).path
