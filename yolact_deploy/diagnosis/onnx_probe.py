"""Looking into an exported ONNX file: its inner tensors become outputs of a copy in memory.

ONNX Runtime cannot fuse across an output, so that the copy may round a little differently from the file itself.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..artifacts.onnx_file import load_onnx, read_metadata, with_outputs
from ..artifacts.outputs import host_view, output_names, split_batch
from ..artifacts.tensor_names import pyramid_levels, tensor_stages
from ..config.postprocess import PostprocessConfig
from ..dependencies import require
from ..errors import ModelFileError, YolactDeployError
from ..runtimes.base import graph_input
from ..runtimes.onnxruntime import create_session
from ..types import Image
from .onnx_operators import OnnxGraph
from .operators import Structure
from .probes import StageValues, effective_precision


class OnnxProbe:
    """See `Probe`."""

    brings_postprocess = True

    def __init__(self, path: Path, device: str) -> None:
        """Raises ModelFileError for a file that is damaged or not ours, MissingDependencyError."""
        self._path = path
        self._device = device
        self._model = load_onnx(path, "comparing an ONNX file")
        self.metadata = read_metadata(path)
        config = self.metadata.config
        self._graph = OnnxGraph(self._model, pyramid_levels(config))
        self._stages = [name for name in tensor_stages(config) if self._graph.has(name)]
        self._structure, self._tensors = self._graph.structure(self._stages)
        ort = require("onnxruntime", "running an ONNX file")
        uses_cuda = device != "cpu" and "CUDAExecutionProvider" in ort.get_available_providers()
        self.precision = effective_precision(self.metadata.precision, uses_tf32=uses_cuda)
        self.description = f"ONNX Runtime {ort.__version__}, {'CUDA' if uses_cuda else 'CPU'}"
        self.priors = self._initializer("priors")

    def run(self, image: Image, postprocess: PostprocessConfig) -> StageValues:
        """See `Probe.run`."""
        names = {stage: self._graph.as_read(stage) for stage in self._stages}
        finals = output_names(self.metadata.config)
        outputs = self._outputs(image, [*names.values(), *finals])
        finals_by_name = {name: outputs[name] for name in finals}
        return StageValues(
            tensors={stage: outputs[name][:1] for stage, name in names.items()},
            detections=split_batch(finals_by_name, 1, host_view(self.metadata, image.shape[:2]))[0],
        )

    def structure(self) -> Structure | None:
        """See `Probe.structure`."""
        return self._structure

    def values(self, image: Image, keys: Collection[str]) -> dict[str, np.ndarray]:
        """See `Probe.values`."""
        names = {key: self._tensors[key] for key in keys if key in self._tensors}
        outputs = self._outputs(image, list(names.values()))
        return {key: outputs[name][:1] for key, name in names.items()}

    def _outputs(self, image: Image, names: Sequence[str]) -> dict[str, np.ndarray]:
        """The tensors `names` of one run, the input among them where it is wanted."""
        batch = self._batch(image)
        wanted = [name for name in dict.fromkeys(names) if name not in self._graph.inputs]
        session = create_session(self._with_outputs(wanted).SerializeToString(), self._path, self._device)
        feed = {self._graph.inputs[0]: batch}
        try:
            found = dict(zip(wanted, session.run(wanted, feed), strict=True))
        except Exception as error:  # the binding's exception classes share no public base
            reason = " ".join(str(error).split())[:300]
            raise YolactDeployError(f"ONNX Runtime failed on {self._path}: {reason}") from None
        return {name: found.get(name, batch) for name in names}

    def _batch(self, image: Image) -> np.ndarray:
        """The graph's input for `image`, repeated where the batch is fixed."""
        size = self._model.graph.input[0].type.tensor_type.shape.dim[0]
        images = np.repeat(image[None], max(size.dim_value, 1), axis=0)
        return graph_input(images, self.metadata)

    def _with_outputs(self, names: Sequence[str]) -> Any:
        missing = set(output_names(self.metadata.config)) - {value.name for value in self._model.graph.output}
        if missing:
            raise ModelFileError(f"{self._path} lacks the outputs {', '.join(sorted(missing))}: export it again")
        return with_outputs(self._model, names)

    def _initializer(self, name: str) -> np.ndarray | None:
        onnx = require("onnx", "comparing an ONNX file")
        for tensor in self._model.graph.initializer:
            if tensor.name == name:
                return np.asarray(onnx.numpy_helper.to_array(tensor))
        return None

    def advice(self) -> str:
        """See `Probe.advice`."""
        return "was exported before they had names: export it again"

    def close(self) -> None:
        """See `Probe.close`."""
