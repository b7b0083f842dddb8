"""The plugins as TensorRT sees them: created, asked, serialised, cloned, run; and what they refuse."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.hard_cases import random_case
from tests.plugins.host_build import HostBuild
from tests.plugins.nodes import (
    BAD_NODES,
    FAST_NMS_ATTRIBUTES,
    OTHER_RULES,
    Attributes,
    attributes_of,
    own_attributes,
)
from tests.plugins.shell import Player, Toolchain, compile_failing_library
from tests.plugins.test_mask_assembly import random_inputs
from yolact_deploy.artifacts.operators import FAST_NMS, MASK_ASSEMBLY
from yolact_deploy.config.postprocess import PostprocessConfig
from yolact_deploy.export.graph.domain import PLUGIN_ATTRIBUTES
from yolact_deploy.export.graph.mask_assembly import image_mask_attributes, mask_assembly_attributes


def mask_inputs() -> list[np.ndarray]:
    return list(random_inputs(5, batch=1, d=3, height=4, width=5, prototypes=6))


def nms_inputs(dtype: type = np.float32, batch: int = 3, n: int = 333, classes: int = 7) -> list[np.ndarray]:
    cases = [random_case(seed, n, classes, prototypes=5) for seed in range(batch)]
    stacked = [torch.stack([getattr(case, name) for case in cases]).numpy() for name in ("loc", "conf", "coef")]
    return [*(array.astype(dtype) for array in stacked), cases[0].priors.numpy()]


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
@pytest.mark.parametrize("cross_class", [False, True])
def test_fast_nms(player: Player, host_build: HostBuild, tmp_path: Path, cross_class: bool, dtype: type) -> None:
    config = PostprocessConfig(score_threshold=0.3, top_k=50, max_detections=20, cross_class=cross_class)
    inputs = nms_inputs(dtype)
    result = player.run(tmp_path, FAST_NMS, attributes_of(config), inputs)
    assert result.status == 0, result.text
    expected = host_build.fast_nms(*inputs, config)
    assert expected["num_detections"].min() > 0
    for actual, (name, wanted) in zip(result.outputs, expected.items(), strict=True):
        assert actual.dtype == wanted.dtype, name
        np.testing.assert_array_equal(actual, wanted)


def test_rules_of_other_code(player: Player, host_build: HostBuild, tmp_path: Path) -> None:
    config = replace(OTHER_RULES, score_threshold=0.3)
    inputs = nms_inputs()
    result = player.run(tmp_path, FAST_NMS, attributes_of(config), inputs)
    assert result.status == 0, result.text
    expected = host_build.fast_nms(*inputs, config)
    official = host_build.fast_nms(*inputs, PostprocessConfig(score_threshold=0.3))
    assert not np.array_equal(expected["scores"], official["scores"])
    for actual, (name, wanted) in zip(result.outputs, expected.items(), strict=True):
        np.testing.assert_array_equal(actual, wanted, err_msg=name)


def test_levels_of_another_model_are_refused(player: Player, tmp_path: Path) -> None:
    result = player.run(tmp_path, FAST_NMS, attributes_of(OTHER_RULES), nms_inputs(n=332))
    assert result.status != 0
    assert any("level_priors does not add up to the 332 priors" in line for line in result.log)


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_mask_assembly(player: Player, host_build: HostBuild, tmp_path: Path, dtype: type) -> None:
    proto, coefs, boxes = random_inputs(5, batch=2, d=35, height=13, width=17, prototypes=6)
    inputs = [proto.astype(dtype), coefs.astype(dtype), boxes]
    result = player.run(tmp_path, MASK_ASSEMBLY, {}, inputs)
    assert result.status == 0, result.text
    assert result.outputs[0].dtype == dtype
    np.testing.assert_array_equal(result.outputs[0], host_build.mask_assembly(*inputs))


def test_an_exported_node_of_mask_assembly_has_no_attributes_of_its_own() -> None:
    assert mask_assembly_attributes() == PLUGIN_ATTRIBUTES


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_masks_at_image_size(player: Player, host_build: HostBuild, tmp_path: Path, dtype: type) -> None:
    proto, coefs, boxes = random_inputs(5, batch=2, d=9, height=13, width=17, prototypes=6)
    inputs = [proto.astype(dtype), coefs.astype(dtype), boxes, np.zeros((2, 45, 67, 3), np.float32)]
    result = player.run(tmp_path, MASK_ASSEMBLY, own_attributes(image_mask_attributes()), inputs)
    assert result.status == 0, result.text
    np.testing.assert_array_equal(result.outputs[0], host_build.image_masks(*inputs[:3], 45, 67))


def test_image_size_needs_the_image(player: Player, tmp_path: Path) -> None:
    result = player.run(tmp_path, MASK_ASSEMBLY, {"mask_size": "image"}, mask_inputs())
    assert (result.status, result.log) == (1, [f"{MASK_ASSEMBLY}: the node has 3 inputs and 1 outputs, not 4 and 1"])


@pytest.mark.parametrize(("operator", "attributes", "message"), BAD_NODES)
def test_bad_attributes_are_refused(
    player: Player, tmp_path: Path, operator: str, attributes: Attributes, message: str
) -> None:
    result = player.run(tmp_path, operator, attributes, nms_inputs() if operator == FAST_NMS else mask_inputs())
    assert (result.status, result.log) == (1, [f"{operator}: {message}"]), result.text


def _cut(inputs: list[np.ndarray], index: int, *shape: slice) -> list[np.ndarray]:
    return [np.ascontiguousarray(array[shape]) if i == index else array for i, array in enumerate(inputs)]


ALL, ONE, FEWER = slice(None), slice(1), slice(2)


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        (_cut(nms_inputs(), 0, FEWER), "the batches of loc and conf differ: 2 and 3"),
        (_cut(nms_inputs(), 2, FEWER), "the batches of coef and conf differ: 2 and 3"),
        (_cut(nms_inputs(), 3, FEWER), "the priors of priors and conf differ: 2 and 333"),
        (_cut(nms_inputs(), 0, ALL, ALL, FEWER), "the coordinates of loc and of a box differ: 2 and 4"),
        (_cut(nms_inputs(), 1, ALL, ALL, ONE), "the number of classes has to be from 1 to 1024"),
        ([array[0] if array.ndim == 3 else array for array in nms_inputs()], "conf and coef need 3 dimensions each"),
        (nms_inputs()[:3], "the node has 3 inputs and 5 outputs, not 4 and 5"),
    ],
)
def test_bad_shapes_are_refused(player: Player, tmp_path: Path, inputs: list[np.ndarray], message: str) -> None:
    result = player.run(tmp_path, FAST_NMS, FAST_NMS_ATTRIBUTES, inputs)
    assert result.status == 1, result.text
    assert f"{FAST_NMS}: {message}" in result.log


def test_priors_in_half_precision_are_refused(player: Player, tmp_path: Path) -> None:
    *rest, priors = nms_inputs()
    result = player.run(tmp_path, FAST_NMS, FAST_NMS_ATTRIBUTES, [*rest, priors.astype(np.float16)])
    assert result.status == 1
    assert "refused: formats" in result.text


def test_mask_shapes_that_differ_are_refused(player: Player, tmp_path: Path) -> None:
    proto, coefs, boxes = mask_inputs()
    result = player.run(tmp_path, MASK_ASSEMBLY, {}, [proto, coefs[:, :, :4].copy(), boxes])
    assert result.status == 1
    assert f"{MASK_ASSEMBLY}: the numbers of coefficients in coefs and proto differ: 4 and 6" in result.log


OTHER_GPUS = "this plugin library was built for other GPUs ({}): run `yolact-deploy build-plugins`"


@pytest.fixture(scope="module")
def failing_player(player: Player, toolchain: Toolchain, tmp_path_factory: pytest.TempPathFactory) -> Player:
    return replace(player, library=compile_failing_library(toolchain, tmp_path_factory.mktemp("failing")))


@pytest.mark.parametrize("operator", [FAST_NMS, MASK_ASSEMBLY])
@pytest.mark.parametrize(
    ("code", "message"),
    [
        (209, OTHER_GPUS.format("no kernel image is available for execution on the device")),
        (98, OTHER_GPUS.format("invalid device function")),
        (2, "CUDA error 2 (out of memory)"),
    ],
)
def test_errors_of_cuda(
    failing_player: Player, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, operator: str, code: int, message: str
) -> None:
    """`enqueue` fails with one line, which says what to do where that is known."""
    monkeypatch.setenv("CUDA_ERROR", str(code))
    attributes, inputs = (FAST_NMS_ATTRIBUTES, nms_inputs()) if operator == FAST_NMS else ({}, mask_inputs())
    result = failing_player.run(tmp_path, operator, attributes, inputs)
    assert (result.status, result.log[-1]) == (1, f"{operator}: {message}"), result.text
    assert "refused: enqueue" in result.text
