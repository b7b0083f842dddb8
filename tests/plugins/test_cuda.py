"""The CUDA build on a GPU, through the same program as the host build; not yet run: no GPU was at hand.

With compute-sanitizer on the PATH the same calls are checked for wrong and racing memory accesses, too.
"""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.plugins.host_build import HostBuild
from tests.plugins.shell import Player, Toolchain, compile_cuda_player
from tests.plugins.test_mask_assembly import random_inputs
from tests.plugins.test_shell import attributes_of, nms_inputs
from yolact_deploy.config import PostprocessConfig
from yolact_deploy.export.domain import FAST_NMS, MASK_ASSEMBLY
from yolact_deploy.machine import gpu_from_driver
from yolact_deploy.plugin_build import build_plugins

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(gpu_from_driver() is None, reason="needs an NVIDIA GPU"),
]
TOLERANCE = {np.float32: 1e-5, np.float16: 2e-3}
SANITIZER = "compute-sanitizer"


@pytest.fixture(scope="module")
def cuda_player(toolchain: Toolchain, tmp_path_factory: pytest.TempPathFactory) -> Player:
    folder = tmp_path_factory.mktemp("cuda")
    library = build_plugins(output=folder / "libyolact_plugins.so").path
    return compile_cuda_player(toolchain, library, folder)


def check_fast_nms(player: Player, host_build: HostBuild, folder: Path, config: PostprocessConfig, dtype: type) -> None:
    inputs = nms_inputs(dtype, n=2500, classes=12)
    result = player.run(folder, FAST_NMS, attributes_of(config), inputs)
    assert result.status == 0, result.text
    expected = host_build.fast_nms(*inputs, config)
    for actual, (name, wanted) in zip(result.outputs, expected.items(), strict=True):
        if name == "boxes":  # exp may differ in its last bit
            np.testing.assert_allclose(actual, wanted, rtol=1e-5, atol=1e-5)
        else:
            np.testing.assert_array_equal(actual, wanted)


def check_masks(player: Player, host_build: HostBuild, folder: Path, dtype: type) -> None:
    proto, coefs, boxes = random_inputs(5, batch=2, d=100, height=69, width=71, prototypes=32)
    inputs = [proto.astype(dtype), coefs.astype(dtype), boxes]
    result = player.run(folder, MASK_ASSEMBLY, {}, inputs)
    assert result.status == 0, result.text
    np.testing.assert_allclose(result.outputs[0], host_build.mask_assembly(*inputs), rtol=0, atol=TOLERANCE[dtype])


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
@pytest.mark.parametrize("cross_class", [False, True])
@pytest.mark.parametrize("score_threshold", [0.0, 0.3, 1.0])
def test_fast_nms(
    cuda_player: Player,
    host_build: HostBuild,
    tmp_path: Path,
    score_threshold: float,
    cross_class: bool,
    dtype: type,
) -> None:
    config = PostprocessConfig(score_threshold=score_threshold, cross_class=cross_class)
    check_fast_nms(cuda_player, host_build, tmp_path, config, dtype)


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_mask_assembly(cuda_player: Player, host_build: HostBuild, tmp_path: Path, dtype: type) -> None:
    check_masks(cuda_player, host_build, tmp_path, dtype)


@pytest.mark.skipif(shutil.which(SANITIZER) is None, reason=f"needs {SANITIZER} of the CUDA toolkit")
@pytest.mark.parametrize("tool", ["memcheck", "racecheck", "initcheck"])
def test_compute_sanitizer(cuda_player: Player, host_build: HostBuild, tmp_path: Path, tool: str) -> None:
    player = replace(cuda_player, prefix=(SANITIZER, "--tool", tool, "--error-exitcode", "9"))
    check_fast_nms(player, host_build, tmp_path, PostprocessConfig(score_threshold=0.3), np.float32)
    check_masks(player, host_build, tmp_path, np.float32)
