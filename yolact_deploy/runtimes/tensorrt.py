"""TensorRT and TensorRT for RTX: an engine on an NVIDIA GPU, without torch and onnx.

Not yet run on a GPU. The tests drive it with stand-ins for CUDA (memory of the host) and for TensorRT's engine (the
ONNX file in ONNX Runtime behind TensorRT's names); those marked `gpu` run it for real where there is one.
"""

from __future__ import annotations

import contextlib
import threading
import weakref
from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path

import numpy as np

from ..artifacts.manifest import Manifest, TensorRange
from ..artifacts.metadata import (
    IMAGE_INPUTS,
    IMAGE_SIZE_MASKS,
    PLANAR_INPUTS,
    PROTOTYPE_SIZE_MASKS,
    TENSOR_INPUTS,
    ModelMetadata,
)
from ..artifacts.outputs import COUNTS, IMAGE_INPUT, PLANAR_INPUT, ROW_OUTPUTS, host_view, output_names, split_batch
from ..config.model import ModelConfig
from ..config.postprocess import PostprocessConfig
from ..errors import ImageError, ModelFileError, YolactDeployError
from ..trt.engine_file import open_engine, read_manifest, require_input
from ..trt.engine_session import EngineSession, Shape, StageTimes
from ..types import Image, NetworkDetections
from .base import batches, graph_input

_INPUT_KINDS = {IMAGE_INPUT: IMAGE_INPUTS, PLANAR_INPUT: PLANAR_INPUTS}  # by the name of an engine's input


class TensorRTRuntime:
    """Runs an engine. Use one in one thread; several in one process share nothing."""

    def __init__(
        self,
        path: Path,
        trust: bool = False,
        config: ModelConfig | None = None,
        postprocess: PostprocessConfig | None = None,
        with_debug_outputs: bool = False,
        plugins: Path | None = None,
    ) -> None:
        """trust: open an engine without a manifest, which may run any code; `config` then says what it detects.
        with_debug_outputs: `run` also gives the stages that an engine built with --debug-outputs has as outputs.
        plugins: the plugin library for an engine that needs one; see `Predictor.open`.

        Raises ModelFileError when the engine was built for another machine, changed, or has no manifest,
        MissingDependencyError, YolactDeployError when there is no GPU.
        """
        manifest = read_manifest(path, trust)
        metadata = _metadata(path, manifest, config, postprocess)
        self._path = path
        self._lock = threading.Lock()
        opened = open_engine(path, manifest, plugins)
        self._backend = opened.backend
        # Runs at the latest when this object is collected or the process ends.
        self._free = weakref.finalize(self, opened.backend.close)
        self._session: EngineSession | None = None
        try:
            self.input_range = require_input(opened, path)
            missing = set(output_names(metadata.config)) - set(opened.output_names)
            if missing:
                raise ModelFileError(f"{path} lacks the outputs {', '.join(sorted(missing))}: build it again")
            with self._backend.current():
                fetched = opened.output_names if with_debug_outputs else output_names(metadata.config)
                self._session = EngineSession(opened, path, self.input_range, fetched)
        except BaseException:
            self.close()
            raise
        if manifest is None:
            metadata = replace(
                metadata,
                input_kind=_INPUT_KINDS.get(self.input_range.name, TENSOR_INPUTS),
                mask_size=IMAGE_SIZE_MASKS if opened.dtype("masks") == "int32" else PROTOTYPE_SIZE_MASKS,
            )
        self.metadata = metadata
        self.device = "cuda"
        self.uses_tf32 = manifest is not None and bool(manifest.options.get("tf32"))
        low, high = self.input_range.min[0], self.input_range.max[0]
        # A batch that must not be smaller than some number is always filled up.
        self.batch_size = high if low > 1 or high == 1 else None  # None: up to the profile's largest
        self.description = f"{opened.library.title}, {metadata.precision}, {opened.backend.gpu.name}"

    def detect(self, images: Sequence[Image]) -> list[NetworkDetections]:
        """See `Runtime.detect`."""
        largest = self.input_range.max[0]
        results: list[NetworkDetections] = []
        for start in range(0, len(images), largest):
            for batch, count in batches(images[start : start + largest], self.batch_size):
                view = host_view(self.metadata, batch.shape[1:3])
                tensor = graph_input(batch, self.metadata)
                with self._lock:
                    results += [_copied(found) for found in split_batch(self._run(tensor), count, view)]
        return results

    def run(self, batch: np.ndarray) -> dict[str, np.ndarray]:
        """One call of the engine: its input -> its outputs by name; rows without a detection are 0.

        Raises ImageError when the shape is outside the engine's profile, YolactDeployError when CUDA or TensorRT fails.
        """
        with self._lock:
            outputs = self._run(batch)
            counts = outputs[COUNTS]
            return {
                name: _found_rows(array, counts) if name in ROW_OUTPUTS else array.copy()
                for name, array in outputs.items()
            }

    def stage_times(self) -> StageTimes:
        """The times of the last call."""
        session = self._open_session()
        with self._backend.current():
            return session.stage_times()

    def _run(self, batch: np.ndarray) -> dict[str, np.ndarray]:
        """As `run`, but the arrays are memory that the next call overwrites, and the other rows are undefined."""
        session = self._open_session()
        self._check_shape(batch.shape)
        with self._backend.current():
            return session.run(batch)

    def _check_shape(self, shape: Shape) -> None:
        allowed = self.input_range
        fits = len(shape) == len(allowed.min) and all(
            low <= size <= high for low, size, high in zip(allowed.min, shape, allowed.max, strict=True)
        )
        if fits:
            return
        wanted = _wanted(allowed, shape) if self.metadata.input_kind == IMAGE_INPUTS and len(shape) == 4 else ""
        raise ImageError(
            f"{self._path}: input {str(list(shape)).replace(' ', '')} is outside the engine's profile "
            f"{allowed.name} {allowed.describe()}: scale the image, or build the engine again{wanted}"
        )

    def _open_session(self) -> EngineSession:
        if self._session is None:
            raise YolactDeployError("this predictor is closed: open it again")
        return self._session

    def close(self) -> None:
        """See `Runtime.close`."""
        self._session = None  # TensorRT goes before the memory that it uses
        with contextlib.suppress(YolactDeployError):  # a GPU that failed cannot free
            self._free()


def _wanted(allowed: TensorRange, shape: Shape) -> str:
    """The option of build-engine that lets `shape` in."""
    _, height, width, _ = shape
    if width > allowed.max[2] or height > allowed.max[1]:
        return f" with --max {max(width, allowed.max[2])}x{max(height, allowed.max[1])}"
    if width < allowed.min[2] or height < allowed.min[1]:
        return f" with --min {min(width, allowed.min[2])}x{min(height, allowed.min[1])}"
    return f" with --batch {allowed.min[0]},{allowed.opt[0]},{max(shape[0], allowed.max[0])}"


def _found_rows(array: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """A copy of the rows that were found, with 0 in the others."""
    found = np.zeros_like(array)
    for image, count in enumerate(counts.reshape(-1)):
        found[image, :count] = array[image, :count]
    return found


def _copied(found: NetworkDetections) -> NetworkDetections:
    """Only what was kept, out of the memory that the next call overwrites."""
    return NetworkDetections(**{field.name: getattr(found, field.name).copy() for field in fields(found)})


def _metadata(
    path: Path, manifest: Manifest | None, config: ModelConfig | None, postprocess: PostprocessConfig | None
) -> ModelMetadata:
    """What the engine's manifest says of its model; without one, what the caller says."""
    if manifest is not None:
        if config is not None or postprocess is not None:
            raise YolactDeployError(f"{path} brings its own configuration: build it again to change that")
        return manifest.metadata
    if config is None:
        raise ModelFileError(f"{path} has no manifest, so nothing says what it detects: name its configuration")
    return ModelMetadata(
        config=config,
        postprocess=postprocess or PostprocessConfig(),
        input_kind=IMAGE_INPUTS,
        precision="unknown precision",
        checkpoint_name="unknown",
        checkpoint_sha256="",
        tool_version="",
    )
