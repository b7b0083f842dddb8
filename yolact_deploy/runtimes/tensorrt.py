"""TensorRT and TensorRT for RTX: an engine on an NVIDIA GPU, without torch and onnx.

Not yet run on a GPU. The tests drive it with stand-ins for CUDA (memory of the host) and for TensorRT's engine (the
ONNX file in ONNX Runtime behind TensorRT's names); those marked `gpu` run it for real where there is one.
"""

from __future__ import annotations

import contextlib
import threading
import time
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..config import ModelConfig, PostprocessConfig
from ..errors import ModelFileError, YolactDeployError
from ..manifest import Manifest, TensorRange
from ..metadata import ModelMetadata
from ..preprocess import preprocess_numpy
from ..tensorrt_library import shape_of
from ..types import Image, NetworkDetections
from .base import batches
from .cuda import Bytes, CudaBackend, DeviceBuffer
from .engine_file import OpenEngine, open_engine, read_manifest, require_input
from .onnxruntime import OUTPUT_NAMES, split_batch

Shape = tuple[int, ...]


@dataclass(frozen=True)
class StageTimes:
    """Where the time of one call went, in milliseconds."""

    host_to_device: float  # by events on the stream
    gpu: float  # by events: the engine's own work
    device_to_host: float  # by events
    enqueue: float  # by the host's clock: handing the engine's work to the GPU


@dataclass(frozen=True)
class _Binding:
    """One input or output: memory on both sides, large enough for the largest shape."""

    name: str
    dtype: np.dtype[Any]
    device: DeviceBuffer
    host: Bytes  # pinned

    def raw(self, shape: Shape) -> Bytes:
        """The host's bytes that an array of `shape` takes."""
        return self.host[: int(np.prod(shape, dtype=np.int64)) * self.dtype.itemsize]

    def array(self, shape: Shape) -> np.ndarray:
        """The host's memory as an array of `shape`."""
        return self.raw(shape).view(self.dtype).reshape(shape)


class TensorRTRuntime:
    """Runs an engine. Use one in one thread; several in one process share nothing."""

    def __init__(
        self,
        path: Path,
        trust: bool = False,
        config: ModelConfig | None = None,
        postprocess: PostprocessConfig | None = None,
    ) -> None:
        """trust: open an engine without a manifest, which may run any code; `config` then says what it detects.

        Raises ModelFileError when the engine was built for another machine, changed, or has no manifest,
        MissingDependencyError, YolactDeployError when there is no GPU.
        """
        manifest = read_manifest(path, trust)
        self.metadata = _metadata(path, manifest, config, postprocess)
        opened = open_engine(path, manifest)
        self._backend: CudaBackend = opened.backend
        # Runs at the latest when this object is collected or the process ends.
        self._free = weakref.finalize(self, opened.backend.close)
        self._lock = threading.Lock()
        try:
            with self._backend.current():
                self._prepare(path, opened, manifest)
        except BaseException:
            self.close()
            raise
        self.description = f"{opened.library.title}, {self.metadata.precision}, {opened.backend.gpu.name}"

    def _prepare(self, path: Path, opened: OpenEngine, manifest: Manifest | None) -> None:
        """A context, a stream, and memory for the largest batch: nothing is allocated after this."""
        self.input_range = require_input(opened, path)
        if manifest is None:
            kind = "image" if self.input_range.dtype == "uint8" else "tensor"
            self.metadata = replace(self.metadata, input_kind=kind)
        low, high = self.input_range.min[0], self.input_range.max[0]
        # A batch that must not be smaller than some number is always filled up.
        self.batch_size = high if low > 1 or high == 1 else None  # None: up to the profile's largest
        missing = set(OUTPUT_NAMES) - set(opened.output_names)
        if missing:
            raise ModelFileError(f"{path} lacks the outputs {', '.join(sorted(missing))}: build it again")
        context = opened.engine.create_execution_context()
        if context is None:
            raise YolactDeployError(f"{path}: not enough GPU memory for {opened.library.title} to run it")
        self._opened: OpenEngine | None = opened
        self._context: Any = context
        self._path = path
        self._stream = self._backend.create_stream()
        self._events = [self._backend.create_event() for _ in range(4)]
        context.set_input_shape(self.input_range.name, self.input_range.max)
        self._input = self._bind(self.input_range.name, self.input_range.max)
        self._outputs = [self._bind(name, shape_of(context.get_tensor_shape(name))) for name in opened.output_names]
        self._shape: Shape = self.input_range.max
        self._output_shapes: dict[str, Shape] = {}
        self._calls_with_shape = 0
        self._launch: Callable[[], None] | None = None  # the captured graph, where there is one
        self._may_capture = True
        self._enqueue_ms = 0.0

    def _bind(self, name: str, largest: Shape) -> _Binding:
        assert self._opened is not None
        dtype = np.dtype(self._opened.dtype(name))
        nbytes = max(int(np.prod(largest, dtype=np.int64)) * dtype.itemsize, 1)
        binding = _Binding(name, dtype, self._backend.allocate(nbytes), self._backend.allocate_pinned(nbytes))
        if not self._context.set_tensor_address(name, binding.device.address):
            raise YolactDeployError(f"{self._opened.library.title} refuses memory for {name}")
        return binding

    def detect(self, images: Sequence[Image]) -> list[NetworkDetections]:
        """See `Runtime.detect`."""
        largest = self.input_range.max[0]
        results: list[NetworkDetections] = []
        for start in range(0, len(images), largest):
            for batch, count in batches(images[start : start + largest], self.batch_size):
                if self.metadata.input_kind == "tensor":
                    batch = preprocess_numpy(batch, self.metadata.config)
                with self._lock:
                    results += [_copied(found) for found in split_batch(self._run(batch), count)]
        return results

    def run(self, batch: np.ndarray) -> dict[str, np.ndarray]:
        """One call of the engine: its input -> its outputs by name.

        Raises YolactDeployError when the shape is outside the engine's profile, or CUDA or TensorRT fails.
        """
        with self._lock:
            return {name: array.copy() for name, array in self._run(batch).items()}

    def stage_times(self) -> StageTimes:
        """The times of the last call."""
        self._check_open()
        with self._backend.current():
            before_copy, before_work, after_work, after_copy = self._events
            elapsed = self._backend.elapsed_ms
            return StageTimes(
                host_to_device=elapsed(before_copy, before_work),
                gpu=elapsed(before_work, after_work),
                device_to_host=elapsed(after_work, after_copy),
                enqueue=self._enqueue_ms,
            )

    def _run(self, batch: np.ndarray) -> dict[str, np.ndarray]:
        """As `run`, but the arrays are the pinned memory that the next call overwrites."""
        self._check_open()
        shape = tuple(batch.shape)
        self._check_shape(shape)
        backend, stream = self._backend, self._stream
        with backend.current():
            self._set_shape(shape)
            np.copyto(self._input.array(shape), batch)
            backend.record(self._events[0], stream)
            backend.copy_to_device(self._input.device, self._input.raw(shape), stream)
            backend.record(self._events[1], stream)
            self._enqueue()
            backend.record(self._events[2], stream)
            for output in self._outputs:
                backend.copy_to_host(output.raw(self._output_shapes[output.name]), output.device, stream)
            backend.record(self._events[3], stream)
            backend.synchronize(stream)
        return {output.name: output.array(self._output_shapes[output.name]) for output in self._outputs}

    def _set_shape(self, shape: Shape) -> None:
        """Tell the engine what comes; a captured graph is for one shape."""
        if shape == self._shape and self._output_shapes:
            return
        self._launch, self._calls_with_shape = None, 0
        if not self._context.set_input_shape(self._input.name, shape):
            raise YolactDeployError(f"{self._path}: TensorRT refuses the input shape {list(shape)}")
        self._shape = shape
        self._output_shapes = {
            output.name: shape_of(self._context.get_tensor_shape(output.name)) for output in self._outputs
        }

    def _enqueue(self) -> None:
        """Hand the engine's work to the stream; from the second call with one shape on as a CUDA graph.

        The first call with a shape is not captured, because TensorRT may set things up in it.
        """
        if self._launch is None and self._may_capture and self._calls_with_shape == 1:
            self._launch = self._backend.capture(self._execute, self._stream)
            self._may_capture = self._launch is not None
        self._calls_with_shape = min(self._calls_with_shape + 1, 2)
        start = time.perf_counter()
        (self._launch or self._execute)()
        self._enqueue_ms = (time.perf_counter() - start) * 1e3

    def _execute(self) -> None:
        if not self._context.execute_async_v3(self._stream.handle):
            raise YolactDeployError(f"{self._path}: TensorRT failed to run input {list(self._shape)}; -v shows its log")

    def _check_shape(self, shape: Shape) -> None:
        allowed = self.input_range
        fits = len(shape) == len(allowed.min) and all(
            low <= size <= high for low, size, high in zip(allowed.min, shape, allowed.max, strict=True)
        )
        if fits:
            return
        wanted = _wanted(allowed, shape) if self.metadata.input_kind == "image" and len(shape) == 4 else ""
        raise YolactDeployError(
            f"{self._path}: input {str(list(shape)).replace(' ', '')} is outside the engine's profile "
            f"{allowed.name} {allowed.describe()}: scale the image, or build the engine again{wanted}"
        )

    def _check_open(self) -> None:
        if self._opened is None:
            raise YolactDeployError("this predictor is closed: open it again")

    def close(self) -> None:
        """See `Runtime.close`."""
        self._opened = self._context = None  # in this order TensorRT goes before the memory that it uses
        self._launch = None
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
        input_kind="image",
        precision="unknown precision",
        checkpoint_name="unknown",
        checkpoint_sha256="",
        tool_version="",
    )
