"""Deterministic stand-in weights for any YOLACT state dict, to compare two implementations without a checkpoint.

Every tensor is a function of its key, its shape and nothing else.
"""

from __future__ import annotations

import zlib

import numpy as np

# Gains that keep activations in a useful range; all other kernels use 1.4.
_GAIN = {  # the first that matches
    # Yolact_minimal, whose head has no number.
    "prediction_layers.conf_layer.": 2.0, ".coef_layer.": 0.5,
    # The official code and YolactEdge.
    ".lat_layers.": 0.25, ".conf_layer.": 1.0, ".bbox_layer.": 0.5, ".mask_layer.": 0.5,
    # mmdetection.
    ".lateral_convs.": 0.25, ".fpn_convs.3.": 0.5, ".conv_cls.": 0.8, ".conv_reg.": 0.5, ".conv_coeff.": 0.5,
}  # fmt: skip
_CENTERED = (
    *("bbox_head.conv_cls.", "bbox_head.conv_coeff."),
    *("prediction_layers.conf_layer.", "prediction_layers.coef_layer."),
)


def seeded_tensor(key: str, shape: tuple[int, ...]) -> np.ndarray:
    """Return the float32 tensor that belongs to `key` (int64 zero for `num_batches_tracked`)."""
    if key.endswith("num_batches_tracked"):
        return np.zeros(shape, np.int64)
    noise = np.random.default_rng(zlib.crc32(key.encode())).standard_normal(shape).astype(np.float32)
    if key.endswith("running_var"):
        return (1.0 + 0.1 * np.abs(noise)).astype(np.float32)
    if key.endswith("running_mean"):
        return (0.05 * noise).astype(np.float32)
    if key.endswith("conv_offset_mask.weight"):
        return (noise * 0.5 / np.sqrt(np.prod(shape[1:]))).astype(np.float32)
    if key.endswith("conv_offset_mask.bias"):
        return (0.3 * noise).astype(np.float32)
    if len(shape) == 4:  # convolution kernel [out, in, kh, kw]
        gain = next((g for part, g in _GAIN.items() if part in key), 1.4)
        if key.startswith(_CENTERED):  # features are positive: without this a few classes win everywhere
            noise -= noise.mean(axis=(1, 2, 3), keepdims=True)
        return (noise * gain / np.sqrt(np.prod(shape[1:]))).astype(np.float32)
    if key.endswith("relative_position_bias_table"):
        return (0.5 * noise).astype(np.float32)
    if len(shape) == 2:  # linear layer [out, in]
        return (noise / np.sqrt(shape[1])).astype(np.float32)
    if key.endswith("bias"):
        return (0.05 * noise).astype(np.float32)
    if key.endswith(
        ("bn3.weight", ".conv2.1.weight")
    ):  # last scale of a residual branch: small, so that depth does not blow up
        return (0.3 + 0.02 * noise).astype(np.float32)
    return (1.0 + 0.05 * noise).astype(np.float32)
