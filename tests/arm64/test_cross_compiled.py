"""The kernels' host build behind TensorRT's shell, and the C++ example, compiled for arm64 and run under qemu-user.

There the compiler may do differently what C++ leaves open: char is unsigned, products and sums can be fused, memory is
ordered more loosely. What the same source gives on this machine is the reference.
"""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.examples.cpp_build import Example, build_example, write_engine
from tests.examples.test_cpp import ONE, printed, write_ppm
from tests.hard_cases import HARD_CASES
from tests.once import made_once
from tests.plugins.host_build import compile_host_build, load_host_build
from tests.plugins.shell import Player, Toolchain, compile_player
from tests.plugins.test_cuda import Bench, mask_inputs
from tests.plugins.test_shell import nms_inputs
from yolact_deploy.config.postprocess import PostprocessConfig
from yolact_deploy.errors import MissingDependencyError
from yolact_deploy.trt.plugin_toolchain import find_headers, find_nvcc

COMPILER = "aarch64-linux-gnu-g++"  # Debian's g++-aarch64-linux-gnu
EMULATOR = "qemu-aarch64-static"  # Debian's qemu-user-static
SYSROOT = "/usr/aarch64-linux-gnu"  # the cross compiler's libraries
PREFIX = (EMULATOR, "-L", SYSROOT)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        shutil.which(COMPILER) is None or shutil.which(EMULATOR) is None, reason=f"needs {COMPILER} and {EMULATOR}"
    ),
]


@pytest.fixture(scope="module")
def toolchain() -> Toolchain:
    try:
        return Toolchain(find_nvcc(), find_headers())
    except MissingDependencyError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def arm64_player(toolchain: Toolchain, tmp_path_factory: pytest.TempPathFactory) -> Player:
    """Without sanitizers: their runtime libraries do not work under the emulator."""
    player = compile_player(toolchain, tmp_path_factory.mktemp("player"), COMPILER, ("-O2",))
    return replace(player, prefix=PREFIX)


@pytest.fixture
def bench(arm64_player: Player, run_folder: Path, tmp_path: Path) -> Bench:
    """The program for arm64, and the host build of this machine that it is compared with."""
    host_build = load_host_build(made_once(run_folder / "host_build", compile_host_build))
    return Bench(arm64_player, host_build, tmp_path)


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
@pytest.mark.parametrize("cross_class", [False, True])
def test_fast_nms(bench: Bench, cross_class: bool, dtype: type) -> None:
    config = PostprocessConfig(score_threshold=0.3, cross_class=cross_class)
    assert bench.check_fast_nms(nms_inputs(dtype, n=700), config) > 0


@pytest.mark.parametrize("name", HARD_CASES)
def test_hard_cases(bench: Bench, name: str) -> None:
    case = HARD_CASES[name]()
    inputs = [tensor[None].numpy() for tensor in (case.loc, case.conf, case.coef)]
    bench.check_fast_nms([*inputs, case.priors.numpy()], PostprocessConfig(top_k=12, max_detections=7))


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_masks(bench: Bench, dtype: type) -> None:
    bench.check_masks(mask_inputs(dtype, masks=20))
    bench.check_image_masks(mask_inputs(dtype, masks=9), 100, 130)


def test_bad_attributes_are_refused(arm64_player: Player, tmp_path: Path) -> None:
    result = arm64_player.run(tmp_path, "YolactMaskAssembly", {"mask_size": "huge"}, mask_inputs(np.float32, masks=2))
    assert result.status == 1
    assert "mask_size" in result.log[0]


@pytest.fixture(scope="module")
def arm64_example(toolchain: Toolchain, tmp_path_factory: pytest.TempPathFactory) -> Example:
    folder = tmp_path_factory.mktemp("example")
    example = build_example(toolchain.nvcc, toolchain.headers, folder, COMPILER, "-O1")
    return replace(example, prefix=PREFIX)


def test_the_example(arm64_example: Example, tmp_path: Path) -> None:
    picture = write_ppm(tmp_path / "picture.ppm", np.full((30, 40, 3), 90, np.uint8))
    engine = write_engine(tmp_path / "one.engine", ONE)
    done = arm64_example.run(engine, picture)
    assert done.returncode == 0, done.stderr
    assert printed(done.stdout) == [(7, 0.9, 4, 6, 20, 24)]
    done = arm64_example.run(tmp_path / "missing.engine", picture)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
