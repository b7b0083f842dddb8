"""`YolactMaskAssembly`, its host build, equals the PyTorch reference."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conftest import DATA
from tests.plugins.host_build import ORDERS, HostBuild
from yolact_deploy.config.postprocess import PostprocessConfig
from yolact_deploy.ops.postprocess import assemble_masks, fast_nms

FP32, FP16 = np.float32, np.float16
TOLERANCE = {FP32: 1e-5, FP16: 2e-3}


def random_inputs(
    seed: int, batch: int, d: int, height: int, width: int, prototypes: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Boxes that are inverted, outside and empty among them."""
    rng = np.random.default_rng(seed)
    proto = rng.standard_normal((batch, height, width, prototypes)).astype(np.float32)
    coefs = rng.standard_normal((batch, d, prototypes)).astype(np.float32)
    boxes = rng.uniform(-0.5, 1.5, (batch, d, 4)).astype(np.float32)
    return proto, coefs, boxes


def check(host_build: HostBuild, proto: np.ndarray, coefs: np.ndarray, boxes: np.ndarray, dtype: type) -> None:
    proto, coefs = proto.astype(dtype), coefs.astype(dtype)
    actual = host_build.mask_assembly(proto, coefs, boxes)
    assert actual.dtype == dtype
    for index in range(len(proto)):
        arguments = (torch.from_numpy(array[index].astype(np.float32)) for array in (proto, coefs, boxes))
        expected = assemble_masks(*arguments).numpy()
        np.testing.assert_allclose(actual[index].astype(np.float32), expected, rtol=0, atol=TOLERANCE[dtype])


@settings(max_examples=60)
@given(
    seed=st.integers(0, 2**31), batch=st.integers(1, 3), d=st.integers(1, 40), height=st.integers(1, 30),
    width=st.integers(1, 30), prototypes=st.integers(1, 10), dtype=st.sampled_from([FP32, FP16]),
)  # fmt: skip
def test_random_shapes(host_build: HostBuild, seed: int, dtype: type, **sizes: int) -> None:
    check(host_build, *random_inputs(seed, **sizes), dtype)


@pytest.mark.parametrize("dtype", [FP32, FP16])
@pytest.mark.parametrize("prototypes", [32, 64])
def test_full_size(host_build: HostBuild, prototypes: int, dtype: type) -> None:
    check(host_build, *random_inputs(1, batch=1, d=100, height=138, width=138, prototypes=prototypes), dtype)


@pytest.mark.parametrize("dtype", [FP32, FP16])
def test_masks_of_twice_the_side(host_build: HostBuild, dtype: type) -> None:
    """Of a prototype net with two upsamplings, and of one with a mask bias."""
    check(host_build, *random_inputs(4, batch=1, d=10, height=276, width=276, prototypes=33), dtype)


@pytest.mark.parametrize("dtype", [FP32, FP16])
def test_golden_raw_outputs(host_build: HostBuild, dtype: type) -> None:
    """Prototypes of the official network, with the detections that the reference finds."""
    golden = np.load(DATA / "official_nano/reference_raw.npz")
    for index in range(len(golden["image_ids"])):
        names = (f"loc_{index}", f"conf_{index}", f"mask_{index}", "priors")
        kept = fast_nms(*(torch.from_numpy(golden[name]) for name in names), PostprocessConfig())
        proto = golden[f"proto_{index}"][None]
        check(host_build, proto, kept.coefs.numpy()[None], kept.boxes.numpy()[None], dtype)


@pytest.mark.parametrize("box", [[0, 0, 1, 1], [0.3, 0.3, 0.3, 0.3], [0.7, 0.8, 0.2, 0.1], [-9, -9, -8, -8],
                                 [2, 2, 3, 3], [-1e18, -1e18, 1e18, 1e18], [0.25, 0, 0.5, 1]])  # fmt: skip
def test_boxes_at_the_edges(host_build: HostBuild, box: list[float]) -> None:
    proto, coefs, _ = random_inputs(2, batch=1, d=1, height=8, width=12, prototypes=3)
    check(host_build, proto, coefs, np.array([[box]], np.float32), FP32)


def test_padding_rows_have_empty_masks(host_build: HostBuild) -> None:
    """Four zeros are no box; the crop's padding must not turn them into a pixel."""
    boxes = np.zeros((1, 2, 4), np.float32)
    boxes[0, 0] = [0, 0, 0.001, 0.001]
    masks = host_build.mask_assembly(np.ones((1, 6, 6, 2), np.float32), np.ones((1, 2, 2), np.float32), boxes)
    assert masks[0, 0].any()
    assert not masks[0, 1].any()


def test_no_masks(host_build: HostBuild) -> None:
    masks = host_build.mask_assembly(
        np.ones((1, 6, 6, 2), np.float32), np.ones((1, 0, 2), np.float32), np.ones((1, 0, 4), np.float32)
    )
    assert masks.shape == (1, 0, 6, 6)


def test_thread_orders_give_identical_bits(host_build: HostBuild) -> None:
    inputs = random_inputs(3, batch=2, d=37, height=23, width=29, prototypes=7)
    results = [host_build.mask_assembly(*inputs, order).tobytes() for order in ORDERS]
    assert results[1] == results[0]
    assert results[2] == results[0]


def test_half_precision_rounds_to_nearest(host_build: HostBuild) -> None:
    """All halves that a mask can hold, through the conversion of the host build and through NumPy's."""
    logits = np.linspace(-17, 17, 4000, dtype=np.float32).reshape(1, 40, 100, 1).astype(np.float16)
    boxes = np.array([[[-1, -1, 2, 2]]], np.float32)
    masks = host_build.mask_assembly(logits, np.ones((1, 1, 1), np.float16), boxes)
    exact = 1 / (1 + np.exp(-logits.astype(np.float64)))
    steps = masks.view(np.int16).astype(int).ravel() - exact.astype(np.float16).view(np.int16).ravel()
    assert np.abs(steps).max() <= 1
    assert np.count_nonzero(steps) < 20
