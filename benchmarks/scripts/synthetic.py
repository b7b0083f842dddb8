"""Reproducible stand-ins where no trained checkpoint or photograph is at hand: for speed, never for accuracy."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from yolact_deploy.config.model import ModelConfig
from yolact_deploy.config.postprocess import PostprocessConfig
from yolact_deploy.errors import YolactDeployError
from yolact_deploy.types import Image

if TYPE_CHECKING:
    import torch

CANDIDATES = 400  # priors above the score threshold: a photograph with about twenty objects
_RESIDUAL_GAIN = 0.3  # of the last scale in a residual branch: depth must not blow activations up
_GAINS = {
    ".conv_offset_mask.": 0.5,
    ".lat_layers.": 0.25,
    ".conf_layer.": 1.0,
    ".bbox_layer.": 0.5,
    ".mask_layer.": 0.5,
}
_HE_GAIN = 2.0**0.5  # He et al. 2015: variance kept through ReLU
_CONF_BIAS = "prediction_layers.0.conf_layer.bias"


def synthetic_image(height: int, width: int, seed: int = 0) -> Image:
    """Soft colour patches with some noise, uint8 [height,width,3] BGR: smooth areas and edges at every scale."""
    if height < 1 or width < 1:
        raise YolactDeployError(f"image size {width}x{height}: at least 1x1")
    generator = np.random.default_rng(seed)
    image = np.zeros((height, width, 3), np.float32)
    for cells in (4, 16, 64):
        coarse = generator.uniform(-1, 1, (cells, cells, 3)).astype(np.float32)
        image += cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC) * 50
    image += generator.normal(0, 4, image.shape)
    return np.clip(image + 120, 0, 255).astype(np.uint8)


def synthetic_tensor(key: str, shape: tuple[int, ...], seed: int) -> np.ndarray:
    """The float32 weights that belong to `key`: a function of its arguments alone."""
    if key.endswith("num_batches_tracked"):
        return np.zeros(shape, np.int64)
    noise = np.random.default_rng([seed, zlib.crc32(key.encode())]).standard_normal(shape).astype(np.float32)
    if len(shape) == 4:  # a convolution [out,in,kh,kw]
        gain = next((gain for part, gain in _GAINS.items() if part in key), _HE_GAIN)
        return noise * np.float32(gain / np.sqrt(np.prod(shape[1:])))
    if key.endswith("running_var"):
        return 1 + np.float32(0.1) * np.abs(noise)
    if key.endswith(("bias", "running_mean")):
        return np.float32(0.05) * noise
    is_residual = key.endswith(("bn3.weight", ".conv2.1.weight"))
    return np.float32(_RESIDUAL_GAIN if is_residual else 1.0) + np.float32(0.05) * noise


def write_synthetic_checkpoint(
    path: Path, config: ModelConfig, image: Image, candidates: int = CANDIDATES, seed: int = 0
) -> None:
    """A checkpoint of `config` in the official format that finds about as much in `image` as a trained one would.

    The bias of the background class is set so that `candidates` priors pass the default score threshold: with untuned
    weights either none or nearly all would, and Fast NMS would be timed on a case that never occurs.
    """
    import torch

    from yolact_deploy.models.yolact import Yolact
    from yolact_deploy.ops.preprocess import preprocess

    model = Yolact(config).eval()
    state = {key: synthetic_tensor(key, tuple(value.shape), seed) for key, value in model.state_dict().items()}
    state_dict = {key: torch.from_numpy(np.asarray(value)) for key, value in state.items()}
    model.load_state_dict(state_dict)
    with torch.inference_mode():
        conf = model(preprocess(image[None], config)).conf[0]  # [N,1+C]
    shift = background_shift(conf, candidates, PostprocessConfig().score_threshold)
    # One background bias an anchor shape, all shifted alike; classes are the fastest dimension of the layer's output.
    state_dict[_CONF_BIAS].view(-1, config.num_classes + 1)[:, 0] += shift
    torch.save(state_dict, path)


def background_shift(conf: torch.Tensor, candidates: int, score_threshold: float) -> float:
    """What to add to the background's logit so that `candidates` priors keep a class above `score_threshold`.

    conf [N,1+C] probabilities, background first. In closed form: with background probability b, the best class p and a
    factor f = exp(shift) on b, the best class becomes p / (1 - b + b f), which equals the threshold t at
    f = (p / t - 1 + b) / b.
    """
    background, best = conf[:, 0].double(), conf[:, 1:].max(dim=1).values.double()
    factors = (best / score_threshold - 1 + background) / background.clamp(min=1e-12)  # below it, a prior passes
    chosen = factors.sort(descending=True).values[min(candidates, len(factors)) - 1]
    return float(chosen.clamp(min=1e-12).log())
