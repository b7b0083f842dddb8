"""A model that is calibrated once."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest

from tests.conftest import NANO
from yolact_deploy.artifacts.onnx_file import metadata_of
from yolact_deploy.export.graph.torch_to_onnx import ExportResult
from yolact_deploy.export.precision.int8.calibration import Calibration, collect
from yolact_deploy.export.precision.int8.statistics import Statistics

PICTURES = 8


def calibrated(model: onnx.ModelProto, method: str = "minmax") -> Statistics:
    return collect(model, metadata_of(model, "the model"), Calibration(NANO, PICTURES, method), "the model")


@pytest.fixture(scope="session")
def fp32(nano_onnx: Path) -> onnx.ModelProto:
    return onnx.load(nano_onnx)


@pytest.fixture(scope="session")
def statistics(fp32: onnx.ModelProto) -> Statistics:
    """With histograms, so that every method can use them."""
    return calibrated(fp32, "mse")


@pytest.fixture(scope="session")
def plus_models(plus_exports: dict[str, ExportResult]) -> dict[str, onnx.ModelProto]:
    return {form: onnx.load(result.path) for form, result in plus_exports.items()}
