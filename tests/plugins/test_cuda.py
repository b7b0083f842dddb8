"""The CUDA build on a GPU, through the same program as the host build; not yet run: no GPU was at hand.

With compute-sanitizer on the PATH the same calls are checked for wrong and racing memory accesses, too.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.hard_cases import HARD_CASES
from tests.plugins.host_build import HostBuild
from tests.plugins.nodes import attributes_of, own_attributes
from tests.plugins.shell import Player, Toolchain, compile_cuda_player
from tests.plugins.test_mask_assembly import random_inputs
from tests.plugins.test_shell import nms_inputs
from yolact_deploy.artifacts.operators import FAST_NMS, MASK_ASSEMBLY
from yolact_deploy.config.postprocess import PostprocessConfig
from yolact_deploy.export.graph.mask_assembly import image_mask_attributes
from yolact_deploy.machine import gpu_from_driver
from yolact_deploy.ops.masks import MASK_THRESHOLD, unpack_masks
from yolact_deploy.ops.postprocess import assemble_masks, upsample_masks
from yolact_deploy.trt.plugin_build import PluginBuild, build_plugins
from yolact_deploy.types import PackedMasks

TOLERANCE = {np.float32: 1e-5, np.float16: 2e-3}
SANITIZER = "compute-sanitizer"
needs_gpu = [pytest.mark.gpu, pytest.mark.skipif(gpu_from_driver() is None, reason="needs an NVIDIA GPU")]
Inputs = list[np.ndarray]


@dataclass(frozen=True)
class Bench:
    """A program to try, what it is compared with, and a folder for its files."""

    player: Player
    host_build: HostBuild
    folder: Path

    def check_fast_nms(self, inputs: Inputs, config: PostprocessConfig) -> int:
        """How many detections there are."""
        result = self.player.run(self.folder, FAST_NMS, attributes_of(config), inputs)
        assert result.status == 0, result.text
        expected = self.host_build.fast_nms(*inputs, config)
        for actual, (name, wanted) in zip(result.outputs, expected.items(), strict=True):
            if name == "boxes":  # exp may differ in its last bit
                np.testing.assert_allclose(actual, wanted, rtol=1e-5, atol=1e-5)
            else:
                np.testing.assert_array_equal(actual, wanted)
        return int(expected["num_detections"].sum())

    def check_masks(self, inputs: Inputs) -> None:
        result = self.player.run(self.folder, MASK_ASSEMBLY, {}, inputs)
        assert result.status == 0, result.text
        expected = self.host_build.mask_assembly(*inputs)
        tolerance = TOLERANCE[inputs[0].dtype.type]
        np.testing.assert_allclose(result.outputs[0], expected, rtol=0, atol=tolerance)

    def check_image_masks(self, inputs: Inputs, height: int, width: int) -> None:
        """Against PyTorch: a bit may differ only where the value is within rounding of the threshold."""
        proto, coefs, boxes = inputs
        image = np.zeros((len(proto), height, width, 3), np.float32)
        result = self.player.run(self.folder, MASK_ASSEMBLY, own_attributes(image_mask_attributes()), [*inputs, image])
        assert result.status == 0, result.text
        for index, words in enumerate(result.outputs[0]):
            arguments = (torch.from_numpy(array[index].astype(np.float32)) for array in (proto, coefs, boxes))
            soft = upsample_masks(assemble_masks(*arguments), height, width).numpy()
            clear = np.abs(soft - MASK_THRESHOLD) > 1e-5
            actual = unpack_masks(PackedMasks(words), height, width)
            np.testing.assert_array_equal(actual[clear], (soft > MASK_THRESHOLD)[clear])


@pytest.fixture(scope="module")
def cuda_player(toolchain: Toolchain, tmp_path_factory: pytest.TempPathFactory) -> Player:
    folder = tmp_path_factory.mktemp("cuda")
    library = build_plugins(output=folder / "libyolact_plugins.so").path
    return compile_cuda_player(toolchain, library, folder)


@pytest.fixture(params=["host", pytest.param("cuda", marks=needs_gpu)])
def bench(request: pytest.FixtureRequest, host_build: HostBuild, tmp_path: Path) -> Bench:
    """With the host build behind the program, too, so that these tests themselves are run without a GPU."""
    player = request.getfixturevalue("cuda_player" if request.param == "cuda" else "player")
    return Bench(player, host_build, tmp_path)


def mask_inputs(dtype: type, masks: int = 100) -> Inputs:
    proto, coefs, boxes = random_inputs(5, batch=2, d=masks, height=69, width=71, prototypes=32)
    return [proto.astype(dtype), coefs.astype(dtype), boxes]


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
@pytest.mark.parametrize("cross_class", [False, True])
@pytest.mark.parametrize("score_threshold", [0.0, 0.3, 1.0])
def test_fast_nms(bench: Bench, score_threshold: float, cross_class: bool, dtype: type) -> None:
    config = PostprocessConfig(score_threshold=score_threshold, cross_class=cross_class)
    found = bench.check_fast_nms(nms_inputs(dtype, n=2500, classes=12), config)
    assert (found > 0) == (score_threshold < 1)


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
@pytest.mark.parametrize("cross_class", [False, True])
@pytest.mark.parametrize("name", HARD_CASES)
def test_hard_cases(bench: Bench, name: str, cross_class: bool, dtype: type) -> None:
    case = HARD_CASES[name]()
    inputs = [tensor[None].numpy().astype(dtype) for tensor in (case.loc, case.conf, case.coef)]
    config = PostprocessConfig(top_k=12, max_detections=7, cross_class=cross_class)
    bench.check_fast_nms([*inputs, case.priors.numpy()], config)


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_mask_assembly(bench: Bench, dtype: type) -> None:
    bench.check_masks(mask_inputs(dtype))


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
@pytest.mark.parametrize(("height", "width"), [(240, 321), (1, 1), (33, 31)])
def test_image_masks(bench: Bench, height: int, width: int, dtype: type) -> None:
    """The last size is smaller than the prototypes: its tiles are mixed from more than shared memory holds."""
    bench.check_image_masks(mask_inputs(dtype, masks=20), height, width)


WORK: dict[str, Callable[[Bench], object]] = {
    "fast_nms": lambda bench: bench.check_fast_nms(nms_inputs(n=700), PostprocessConfig(score_threshold=0.3)),
    "fast_nms, more than is sorted": lambda bench: bench.check_fast_nms(
        nms_inputs(n=1500, classes=3), PostprocessConfig(score_threshold=0.0)
    ),
    "mask_assembly": lambda bench: bench.check_masks(mask_inputs(np.float32)),
    "image_masks": lambda bench: bench.check_image_masks(mask_inputs(np.float32, masks=9), 100, 130),
}


@pytest.mark.gpu
@pytest.mark.skipif(shutil.which(SANITIZER) is None, reason=f"needs {SANITIZER} of the CUDA toolkit")
@pytest.mark.skipif(gpu_from_driver() is None, reason="needs an NVIDIA GPU")
@pytest.mark.parametrize("tool", ["memcheck", "racecheck", "initcheck"])
@pytest.mark.parametrize("work", WORK)
def test_compute_sanitizer(cuda_player: Player, host_build: HostBuild, tmp_path: Path, work: str, tool: str) -> None:
    # initcheck takes garbage for a value like any other, so there is none for it.
    garbage = ("env", "PLAY_UNINITIALISED=1") if tool == "initcheck" else ()
    player = replace(cuda_player, prefix=(*garbage, SANITIZER, "--tool", tool, "--error-exitcode", "9"))
    WORK[work](Bench(player, host_build, tmp_path))


@pytest.mark.parametrize("prefix", [(), ("env", "PLAY_UNINITIALISED=1")])
@pytest.mark.parametrize("work", WORK)
def test_what_the_sanitizer_runs(
    player: Player, host_build: HostBuild, tmp_path: Path, work: str, prefix: tuple[str, ...]
) -> None:
    WORK[work](Bench(replace(player, prefix=prefix), host_build, tmp_path))


def test_the_program_for_the_gpu_compiles(toolchain: Toolchain, plugin_build: PluginBuild, tmp_path: Path) -> None:
    """And loads the real library; without a GPU it gets as far as its first allocation."""
    player = compile_cuda_player(toolchain, plugin_build.path, tmp_path)
    inputs = mask_inputs(np.float32, masks=2)
    result = player.run(tmp_path, MASK_ASSEMBLY, {"mask_size": "huge"}, inputs)
    assert (result.status, result.log) == (
        1, [f"{MASK_ASSEMBLY}: the attribute mask_size has to be one of prototype, image"]
    )  # fmt: skip
    if gpu_from_driver() is None:
        result = player.run(tmp_path, MASK_ASSEMBLY, {}, inputs)
        assert result.status == 3
        assert "cudaMalloc" in result.text
