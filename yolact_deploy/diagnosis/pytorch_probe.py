"""Looking into a checkpoint in PyTorch, through hooks: the model itself knows nothing of it."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch

from ..artifacts.tensor_names import BACKBONE_STAGES, NETWORK_INPUT, RAW_OUTPUTS, pyramid_levels
from ..config.model import ModelConfig
from ..config.postprocess import PostprocessConfig
from ..dependencies import require
from ..models.yolact import Yolact
from ..ops.postprocess import network_detections
from ..ops.view import View
from ..runtimes.pytorch import PyTorchRuntime
from ..types import Image, RawOutputs
from .operators import Structure
from .probes import StageValues, effective_precision
from .pytorch_operators import OperatorRecorder


class PyTorchProbe:
    """See `Probe`."""

    brings_postprocess = False

    def __init__(
        self,
        path: Path,
        device: str,
        config: ModelConfig | None,
        class_names: tuple[str, ...] | None = None,
        family: str | None = None,
    ) -> None:
        """Raises CheckpointError, MissingDependencyError."""
        require("torch", "running a checkpoint")
        self._runtime = PyTorchRuntime(path, device, None, config, class_names=class_names, family=family)
        self.metadata = self._runtime.metadata
        self.description = self._runtime.description
        self.precision = effective_precision("fp32", self._runtime.device == "cuda" and torch.backends.cudnn.allow_tf32)
        assert self._runtime.model is not None
        self.model: Yolact = self._runtime.model
        self.priors: np.ndarray | None = self.model.priors.cpu().numpy()
        self._structure: Structure | None = None

    @torch.inference_mode()
    def run(self, image: Image, postprocess: PostprocessConfig) -> StageValues:
        """See `Probe.run`."""
        recorder = OperatorRecorder(self.model, pyramid_levels(self.metadata.config))
        tensors, raw = self._forward(image, recorder)
        for name, tensor in tensors.items():
            recorder.mark_stage(name, tensor)
        self._structure = recorder.structure
        view = View.of(self.metadata.config.resize, *image.shape[:2])
        return StageValues(
            tensors={name: tensor.cpu().numpy() for name, tensor in tensors.items()},
            detections=network_detections(raw, postprocess, self.model.maskiou_net, view)[0],
        )

    def structure(self) -> Structure | None:
        """See `Probe.structure`."""
        return self._structure

    @torch.inference_mode()
    def values(self, image: Image, keys: Collection[str]) -> dict[str, np.ndarray]:
        """See `Probe.values`."""
        recorder = OperatorRecorder(self.model, pyramid_levels(self.metadata.config), keys)
        self._forward(image, recorder)
        return recorder.values

    def _forward(self, image: Image, recorder: OperatorRecorder) -> tuple[dict[str, torch.Tensor], RawOutputs]:
        with recorder, _features(self.model) as tensors:
            tensors[NETWORK_INPUT] = self._runtime.preprocess(image[None])
            raw = self._runtime.network(tensors[NETWORK_INPUT])
        return {**tensors, **{name: getattr(raw, name) for name in RAW_OUTPUTS}}, raw

    def advice(self) -> str:
        """See `Probe.advice`."""
        return ""

    def close(self) -> None:
        """See `Probe.close`."""
        self._runtime.close()


@contextmanager
def _features(model: Yolact) -> Iterator[dict[str, torch.Tensor]]:
    """Within the block, a call of `model` fills in what its backbone and its FPN give."""
    found: dict[str, torch.Tensor] = {}
    named = ((model.backbone, BACKBONE_STAGES), (model.fpn, pyramid_levels(model.config)))
    handles = [
        module.register_forward_hook(
            lambda _module, _inputs, outputs, names=names: found.update(zip(names, outputs, strict=True))
        )
        for module, names in named
    ]
    try:
        yield found
    finally:
        for handle in handles:
            handle.remove()
