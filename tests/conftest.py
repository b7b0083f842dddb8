"""Fixtures that several test files share."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from tests.seeded_weights import seeded_tensor
from yolact_deploy.artifacts.metadata import DEFORM_CONV_FORMS
from yolact_deploy.config.model import ModelConfig, PostprocessConfig
from yolact_deploy.export.graph.torch_to_onnx import ExportOptions, ExportResult, export_onnx
from yolact_deploy.models.yolact import Yolact
from yolact_deploy.types import Image

ROOT = Path(__file__).parent.parent
DATA = Path(__file__).parent / "data"
NANO = ROOT / "benchmarks/data/nano"
NANO_WEIGHTS = NANO / "yolact_nano_22_4148.pth"
PLUS_NANO_WEIGHTS = DATA / "official_nano/yolact_plus_nano_6_1233.pth"
PHOTOGRAPHS = Path(os.environ.get("YOLACT_DEPLOY_PHOTOGRAPHS", ROOT.parent / "shared/coco_sample/images"))


def seeded_state_dict(config: ModelConfig) -> dict[str, torch.Tensor]:
    """Reproducible weights for any configuration."""
    with torch.device("meta"):
        shapes = {key: tuple(tensor.shape) for key, tensor in Yolact(config).state_dict().items()}
    return {key: torch.from_numpy(np.asarray(seeded_tensor(key, shape))) for key, shape in shapes.items()}


@pytest.fixture(autouse=True, scope="session")
def hears_interrupts() -> None:
    """A shell starts what runs in its background deaf to Ctrl-C, and tests raise it."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tables are as wide as in a log, whatever terminal the tests were started from."""
    monkeypatch.delenv("COLUMNS", raising=False)


@pytest.fixture(scope="session")
def nano_weights() -> Path:
    """The bundled trained checkpoint."""
    return NANO_WEIGHTS


@pytest.fixture(scope="session")
def nano_image() -> Image:
    """A picture of the bundled data set with several objects, 384x300."""
    image = cv2.imread(str(NANO / "images/000000001000.jpg"))
    assert image is not None
    return image


@pytest.fixture(scope="session")
def nano_export(tmp_path_factory: pytest.TempPathFactory) -> ExportResult:
    """The bundled checkpoint exported with the defaults; read only."""
    return export_onnx(NANO_WEIGHTS, ExportOptions(tmp_path_factory.mktemp("nano") / "nano.onnx"))


@pytest.fixture(scope="session")
def nano_onnx(nano_export: ExportResult) -> Path:
    """Path of `nano_export`."""
    return nano_export.path


@pytest.fixture(scope="session")
def nano_dynamic_onnx(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundled checkpoint exported with a dynamic batch; read only."""
    output = tmp_path_factory.mktemp("nano") / "dynamic.onnx"
    return export_onnx(NANO_WEIGHTS, ExportOptions(output, batch=None)).path


@pytest.fixture(scope="session")
def nano_image_masks_onnx(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundled checkpoint exported with masks at the image's size and a dynamic batch; read only."""
    output = tmp_path_factory.mktemp("nano") / "image_masks.onnx"
    return export_onnx(NANO_WEIGHTS, ExportOptions(output, mask_size="image", batch=None)).path


@pytest.fixture(scope="session")
def plus_exports(tmp_path_factory: pytest.TempPathFactory) -> dict[str, ExportResult]:
    """A YOLACT++ nano exported with either form of its deformable convolutions; read only."""
    folder = tmp_path_factory.mktemp("plus")
    return {
        form: export_onnx(PLUS_NANO_WEIGHTS, ExportOptions(folder / f"{form}.onnx", deform_conv=form))
        for form in DEFORM_CONV_FORMS
    }


@pytest.fixture(scope="session")
def official_photo() -> Image:
    """The photograph that the official full-size outputs were made from."""
    path = PHOTOGRAPHS / "000000391895.jpg"
    if not path.is_file():
        pytest.skip(f"needs {path.name} of COCO train2017: set YOLACT_DEPLOY_PHOTOGRAPHS to a folder that has it")
    image = cv2.imread(str(path))
    assert image is not None
    return image


@pytest.fixture
def postprocess_config() -> PostprocessConfig:
    """The official defaults."""
    return PostprocessConfig()
