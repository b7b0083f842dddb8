"""Looking into an engine: what it was built to give. Its operators are fused, and not told."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import numpy as np

from ..artifacts.metadata import TENSOR_INPUTS
from ..artifacts.outputs import host_view, output_names, split_batch
from ..artifacts.tensor_names import NETWORK_INPUT, tensor_stages
from ..config.model import ModelConfig
from ..config.postprocess import PostprocessConfig
from ..runtimes.base import graph_input
from ..runtimes.tensorrt import TensorRTRuntime
from ..types import Image
from .operators import Structure
from .probes import StageValues, effective_precision


class EngineProbe:
    """See `Probe`."""

    brings_postprocess = True
    priors: np.ndarray | None = None

    def __init__(self, path: Path, config: ModelConfig | None, trust: bool, plugins: Path | None = None) -> None:
        """Raises ModelFileError, MissingDependencyError, YolactDeployError without a GPU."""
        self._runtime = TensorRTRuntime(path, trust, config, with_debug_outputs=True, plugins=plugins)
        self.metadata = self._runtime.metadata
        self.description = self._runtime.description
        self.precision = effective_precision(self.metadata.precision, self._runtime.uses_tf32)

    def run(self, image: Image, postprocess: PostprocessConfig) -> StageValues:
        """See `Probe.run`."""
        config = self.metadata.config
        images = np.repeat(image[None], self._runtime.input_range.min[0], axis=0)
        batch = graph_input(images, self.metadata)
        outputs = self._runtime.run(batch)
        known = {NETWORK_INPUT: batch, **outputs} if self.metadata.input_kind == TENSOR_INPUTS else outputs
        finals = {name: outputs[name] for name in output_names(config)}
        return StageValues(
            tensors={name: known[name][:1] for name in tensor_stages(config) if name in known},
            detections=split_batch(finals, 1, host_view(self.metadata, image.shape[:2]))[0],
        )

    def structure(self) -> Structure | None:
        """See `Probe.structure`."""
        return None

    def values(self, image: Image, keys: Collection[str]) -> dict[str, np.ndarray]:
        """See `Probe.values`."""
        return {}

    def advice(self) -> str:
        """See `Probe.advice`."""
        return "gives its final outputs only: build it again with --debug-outputs"

    def close(self) -> None:
        """See `Probe.close`."""
        self._runtime.close()
