"""`YolactMaskAssembly` at the image's size, its host build, equals the PyTorch reference pixel by pixel."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.plugins.host_build import ORDERS, HostBuild
from tests.plugins.test_mask_assembly import random_inputs
from yolact_deploy.ops.postprocess import MASK_THRESHOLD, assemble_masks

FP32, FP16 = np.float32, np.float16
CLOSE = 1e-5  # a pixel that near the threshold may fall on either side


def unpacked(words: np.ndarray, width: int) -> np.ndarray:
    """int32 [...,ceil(W/32)] -> bool [...,W]; bits past the width must be zero."""
    bits = np.unpackbits(words.astype("<i4").view(np.uint8), axis=-1, bitorder="little").astype(bool)
    assert not bits[..., width:].any()
    return bits[..., :width]


def check(
    host_build: HostBuild, inputs: tuple[np.ndarray, np.ndarray, np.ndarray], height: int, width: int, dtype: type
) -> None:
    proto, coefs, boxes = inputs[0].astype(dtype), inputs[1].astype(dtype), inputs[2]
    actual = unpacked(host_build.image_masks(proto, coefs, boxes, height, width), width)
    for index in range(len(proto)):
        arguments = (torch.from_numpy(array[index].astype(np.float32)) for array in (proto, coefs, boxes))
        masks = assemble_masks(*arguments)
        soft = F.interpolate(masks[None], size=(height, width), mode="bilinear", align_corners=False)[0].numpy()
        clear = np.abs(soft - MASK_THRESHOLD) > CLOSE
        np.testing.assert_array_equal(actual[index][clear], (soft > MASK_THRESHOLD)[clear])


@settings(max_examples=40)
@given(
    seed=st.integers(0, 2**31), batch=st.integers(1, 2), d=st.integers(1, 5), rows=st.integers(1, 25),
    columns=st.integers(1, 25), prototypes=st.integers(1, 9), dtype=st.sampled_from([FP32, FP16]),
    height=st.integers(1, 90), width=st.integers(1, 300),
)  # fmt: skip
def test_random_shapes(
    host_build: HostBuild, seed: int, batch: int, d: int, rows: int, columns: int, prototypes: int, dtype: type,
    height: int, width: int,
) -> None:  # fmt: skip
    inputs = random_inputs(seed, batch=batch, d=d, height=rows, width=columns, prototypes=prototypes)
    check(host_build, inputs, height, width, dtype)


@pytest.mark.parametrize("dtype", [FP32, FP16])
@pytest.mark.parametrize(("height", "width"), [(480, 640), (1, 1), (20, 31), (138, 138)])
def test_full_size_prototypes(host_build: HostBuild, height: int, width: int, dtype: type) -> None:
    """Images smaller than the prototypes too: their tiles are mixed from more than shared memory holds."""
    check(host_build, random_inputs(1, batch=1, d=10, height=138, width=138, prototypes=32), height, width, dtype)


@pytest.mark.parametrize(("height", "width"), [(480, 640), (100, 150)])
def test_prototypes_of_twice_the_side(host_build: HostBuild, height: int, width: int) -> None:
    check(host_build, random_inputs(4, batch=1, d=4, height=276, width=276, prototypes=33), height, width, FP32)


def test_padding_rows_have_empty_masks(host_build: HostBuild) -> None:
    boxes = np.zeros((1, 2, 4), np.float32)
    boxes[0, 0] = [0, 0, 0.001, 0.001]
    words = host_build.image_masks(
        np.ones((1, 6, 6, 2), np.float32), np.ones((1, 2, 2), np.float32), boxes, height=40, width=70
    )
    assert words[0, 0].any()
    assert not words[0, 1].any()


def test_thread_orders_give_identical_bits(host_build: HostBuild) -> None:
    inputs = random_inputs(3, batch=2, d=7, height=23, width=29, prototypes=7)
    results = [host_build.image_masks(*inputs, 101, 203, order).tobytes() for order in ORDERS]
    assert results[1] == results[0]
    assert results[2] == results[0]
