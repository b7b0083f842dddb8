"""What is fuzzed: for each kind of file, how it is made almost right, and what opens it."""

from __future__ import annotations

import contextlib
import json
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from tests.benchmarks.conftest import HEIGHT, WIDTH, tiny_content
from tests.benchmarks.report.test_text import GOOD
from tests.conftest import DATA
from tests.fuzz.mutations import json_files
from tests.fuzz.pictures import picture_files
from yolact_deploy.artifacts.manifest import Manifest
from yolact_deploy.benchmarks.accuracy.average_precision import GroundTruth
from yolact_deploy.benchmarks.accuracy.dataset import load_dataset
from yolact_deploy.benchmarks.accuracy.layout import OURS
from yolact_deploy.benchmarks.regression.comparison import compare_runs
from yolact_deploy.benchmarks.regression.saved import read_saved
from yolact_deploy.benchmarks.report.json_report import to_json
from yolact_deploy.config.model import ModelConfig
from yolact_deploy.errors import YolactDeployError
from yolact_deploy.images import read_image
from yolact_deploy.inspection.model_file import inspect_file
from yolact_deploy.machine import GpuInfo

VERSION_0_1_0 = DATA / "version_0_1_0"


@dataclass(frozen=True)
class Target:
    """One kind of file."""

    name: str
    file_name: str
    files: Callable[[], st.SearchStrategy[bytes]]
    open: Callable[[Path], object]  # returns, or raises a YolactDeployError
    prepare: Callable[[Path], object] = lambda folder: None  # writes what else the folder needs


def _checkpoints() -> st.SearchStrategy[bytes]:
    from tests.fuzz.checkpoints import checkpoint_files

    return checkpoint_files()


def _open_checkpoint(path: Path) -> object:
    from tests.fuzz.checkpoints import TINY
    from yolact_deploy.checkpoints.reader import read_checkpoint

    with contextlib.suppress(YolactDeployError), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        read_checkpoint(path).build()  # as its own tensors and texts say
    return read_checkpoint(path, TINY).build()


def _onnx_files() -> st.SearchStrategy[bytes]:
    from tests.fuzz.onnx_files import onnx_files

    return onnx_files()


def _open_onnx(path: Path) -> object:
    from tests.fuzz.onnx_files import open_everywhere

    return open_everywhere(path)


def _manifests() -> st.SearchStrategy[bytes]:
    return json_files(json.loads((VERSION_0_1_0 / "tiny.engine.json").read_text(encoding="utf-8")))


def _open_manifest(path: Path) -> object:
    engine = path.with_suffix("")
    inspect_file(engine)
    manifest = Manifest.read(engine)
    manifest.check_library(engine, "tensorrt", "10.3.0")
    manifest.check_gpu(engine, GpuInfo("Orin", "8.7"))
    return manifest.to_json()


_CONFIG: dict[str, Any] = {
    **ModelConfig.named("yolact_plus_nano").to_dict(),
    "base": "yolact_nano",
    "num_classes": 6,
    "mask_proto_net": [[64, 3, {"padding": 1}], [None, -2, {}], [32, -2, {"stride": 2}]],
    "extra_head_net": [[64, 3, {"padding": 1}], [32, 1, {}]],
}
_YAML_PARTS = ("&a ", "*a", "!!binary ", "!!python/object:os.system ", "<<: ", "? ", "- ", "\t", "{", "[", "2001-01-01")


@st.composite
def _yaml_files(draw: st.DrawFn) -> bytes:
    """JSON is YAML, and YAML's own marks are put into it."""
    text = draw(json_files(_plain_config())).decode("utf-8", "replace")
    for _ in range(draw(st.integers(0, 3))):
        position = draw(st.integers(0, len(text)))
        text = text[:position] + draw(st.sampled_from(_YAML_PARTS)) + text[position:]
    return text.encode("utf-8", "replace")


def _plain_config() -> Any:
    return json.loads(json.dumps(_CONFIG))


def _make_engine(folder: Path) -> None:
    (folder / "tiny.engine").write_bytes((VERSION_0_1_0 / "tiny.engine").read_bytes())


def _make_pictures(folder: Path) -> None:
    import cv2
    import numpy as np

    for name in ("a.png", "b.png", "c.png"):
        cv2.imwrite(str(folder / name), np.zeros((HEIGHT, WIDTH, 3), np.uint8))


def _open_dataset(path: Path) -> object:
    return GroundTruth(load_dataset(path.parent))


def _open_saved(path: Path) -> object:
    run = read_saved(path)
    return compare_runs(run, run, str(path))


TARGETS = (
    Target("checkpoint", "tiny_1_2.pth", _checkpoints, _open_checkpoint),
    Target("ONNX file", "tiny.onnx", _onnx_files, _open_onnx),
    Target("manifest", "tiny.engine.json", _manifests, _open_manifest, _make_engine),
    Target("configuration, JSON", "a.json", lambda: json_files(_plain_config()), ModelConfig.from_file),
    Target("configuration, YAML", "a.yaml", _yaml_files, ModelConfig.from_file),
    Target("COCO file", OURS, lambda: json_files(tiny_content()), _open_dataset, _make_pictures),
    Target("bench JSON", "old.json", lambda: json_files(json.loads(json.dumps(to_json(GOOD)))), _open_saved),
    Target("picture", "a.png", picture_files, read_image),
)
