"""Fixtures that several test files share."""

from __future__ import annotations

import math
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before NumPy and torch are imported; subprocesses inherit it

import cv2
import hypothesis
import numpy as np
import pytest
import torch

from tests.once import traced_once
from tests.seeded_weights import seeded_tensor
from yolact_deploy import console
from yolact_deploy.artifacts.metadata import DEFORM_CONV_FORMS
from yolact_deploy.benchmarks.performance import speed
from yolact_deploy.benchmarks.performance.memory import MemoryUse
from yolact_deploy.benchmarks.report import progress
from yolact_deploy.config.model import ModelConfig
from yolact_deploy.config.postprocess import PostprocessConfig
from yolact_deploy.export.graph import mask_scores, network
from yolact_deploy.export.graph.torch_to_onnx import ExportOptions, ExportResult, export_onnx
from yolact_deploy.files import sha256_of
from yolact_deploy.models.yolact import Yolact
from yolact_deploy.types import Image

ROOT = Path(__file__).parent.parent
DATA = Path(__file__).parent / "data"
NANO = ROOT / "benchmarks/data/nano"
NANO_WEIGHTS = NANO / "yolact_nano_22_4148.pth"
PLUS_NANO_WEIGHTS = DATA / "official_nano/yolact_plus_nano_6_1233.pth"
PHOTOGRAPHS = Path(os.environ.get("YOLACT_DEPLOY_PHOTOGRAPHS", ROOT.parent / "shared/coco_sample/images"))

# How long an example takes says how busy the machine is, and nothing of what is tested.
hypothesis.settings.register_profile("yolact-deploy", deadline=None)
hypothesis.settings.load_profile("yolact-deploy")


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


@pytest.fixture(scope="session")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all workers of this test run share."""
    base = tmp_path_factory.getbasetemp()
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base


@pytest.fixture(autouse=True, scope="session")
def one_thread_per_worker() -> Iterator[None]:
    """The workers share the cores; ONNX Runtime takes one thread where a test asks for no other number."""
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    try:
        import onnxruntime
    except ImportError:
        yield
        return

    class SessionOptions(onnxruntime.SessionOptions):
        def __init__(self) -> None:
            super().__init__()
            self.intra_op_num_threads = 1

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(onnxruntime, "SessionOptions", SessionOptions)
        yield


@pytest.fixture(autouse=True, scope="session")
def traces(run_folder: Path) -> Iterator[None]:
    """Exports of one checkpoint with the same batch and form trace the network once, whatever else they ask for."""
    folder = run_folder / "traces"
    folder.mkdir(exist_ok=True)
    with pytest.MonkeyPatch.context() as patch:
        for module, name in ((network, "export_network"), (mask_scores, "export_mask_scores")):
            patch.setattr(module, name, traced_once(getattr(module, name), folder))
        yield


@pytest.fixture(autouse=True, scope="session")
def memory_once() -> Iterator[None]:
    """`bench` measures memory in a process of its own, which takes 2 s with torch: once per model and images."""
    measure, known = speed.measure_peak_memory, {}

    def remembered(model: Path, *rest: Any) -> MemoryUse:
        key = (model.suffix, sha256_of(model), repr(rest))
        if key not in known:
            known[key] = measure(model, *rest)
        return known[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(speed, "measure_peak_memory", remembered)
        yield


@pytest.fixture(autouse=True, scope="session")
def no_progress() -> Iterator[None]:
    """Lines of progress come every ten seconds, so that a busy machine prints more of them."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (console, progress):
            patch.setattr(module, "LOG_SECONDS", math.inf)
        yield


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
def nano_planar_onnx(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundled checkpoint exported with planes of 0 to 255 as its input, and a dynamic batch; read only."""
    output = tmp_path_factory.mktemp("nano") / "planar.onnx"
    return export_onnx(NANO_WEIGHTS, ExportOptions(output, input_kind="planar", batch=None)).path


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
