"""Real builds, in TensorRT for RTX, of a Swin that keeps the aspect ratio; without a GPU."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.small_swin import exported, save_weights
from yolact_deploy.artifacts.manifest import Manifest
from yolact_deploy.export.engine.build import build_engine
from yolact_deploy.export.engine.options import EngineOptions

pytest.importorskip("tensorrt_rtx_bindings", reason='needs TensorRT for RTX: pip install "yolact-deploy[rtx]"')


@pytest.mark.slow
@pytest.mark.parametrize("options", [{}, {"mask_size": "image"}, {"input_kind": "tensor"}])
def test_it_builds_in_fp16(options: dict[str, object], tmp_path: Path) -> None:
    source = exported(save_weights(tmp_path), **options)
    output = tmp_path / "model.engine"
    chosen = EngineOptions(output, runtime="tensorrt-rtx", precision="fp16", compute_capabilities=("8.9",))
    build_engine(source, chosen)
    manifest = Manifest.read(output)
    manifest.check_file(output)
    assert manifest.metadata.config.resize == "keep_aspect"
