"""One engine in execution: its context, a stream, and memory for the largest batch, all of it reused in every call."""

from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..artifacts.manifest import TensorRange
from ..artifacts.outputs import COUNTS, ROW_OUTPUTS
from ..errors import YolactDeployError
from .cuda_backend import Bytes, DeviceBuffer, Graph
from .engine_file import OpenEngine
from .library import shape_of

if TYPE_CHECKING:
    import tensorrt as trt

Shape = tuple[int, ...]


@dataclass(frozen=True)
class StageTimes:
    """Where the time of one call went, in milliseconds, and what came back."""

    host_to_device: float  # by events on the stream
    gpu: float  # by events: the engine's own work
    device_to_host: float  # by events: the counts, and then the rows that they name
    enqueue: float  # by the host's clock: handing the engine's work to the GPU
    bytes_to_host: int


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


class EngineSession:
    """Runs batches, each inside `backend.current()`, in one thread at a time. Nothing is allocated after the start.

    Of the outputs with a row per detection only the rows that were found are copied to the host. An engine's memory has
    room for the most detections that there can be, and masks of all of these are megabytes.
    """

    def __init__(self, opened: OpenEngine, source: Path, largest: TensorRange, fetched: Collection[str]) -> None:
        """largest: the engine's input; `source` names the file in errors. fetched: names of the outputs that `run`
        brings to the host; an engine that was built to be looked into has more.

        Raises YolactDeployError when there is not enough GPU memory.
        """
        context = opened.engine.create_execution_context()
        if context is None:
            raise YolactDeployError(f"{source}: not enough GPU memory for {opened.library.title} to run it")
        self._opened = opened
        self._source = source
        self._context: trt.IExecutionContext = context
        self._backend = opened.backend
        self._stream = self._backend.create_stream()
        self._events = [self._backend.create_event() for _ in range(4)]
        context.set_input_shape(largest.name, largest.max)
        self._input = self._bind(largest.name, largest.max)
        shapes = {name: shape_of(context.get_tensor_shape(name)) for name in opened.output_names}
        self._outputs = [self._bind(name, shape) for name, shape in shapes.items() if name in fetched]
        self._unfetched = [self._bind_device(name, shape) for name, shape in shapes.items() if name not in fetched]
        self._shape: Shape = ()
        self._output_shapes: dict[str, Shape] = {}
        self._calls_with_shape = 0
        self._graph: Graph | None = None  # of the engine's work for this shape, where it could be captured
        self._may_capture = True
        self._enqueue_ms = 0.0
        self._bytes_to_host = 0  # in the last call

    def _bind(self, name: str, largest: Shape) -> _Binding:
        device = self._bind_device(name, largest)
        dtype = np.dtype(self._opened.dtype(name))
        return _Binding(name, dtype, device, self._backend.allocate_pinned(device.nbytes))

    def _bind_device(self, name: str, largest: Shape) -> DeviceBuffer:
        nbytes = max(int(np.prod(largest, dtype=np.int64)) * np.dtype(self._opened.dtype(name)).itemsize, 1)
        device = self._backend.allocate(nbytes)
        if not self._context.set_tensor_address(name, device.address):
            raise YolactDeployError(f"{self._opened.library.title} refuses memory for {name}")
        return device

    def run(self, batch: np.ndarray) -> dict[str, np.ndarray]:
        """The engine's outputs by name, in pinned memory that the next call overwrites. Rows that were not found are
        undefined.

        `batch` has a shape of the profile. Raises YolactDeployError when CUDA or TensorRT fails.
        """
        backend, stream, events = self._backend, self._stream, self._events
        self._set_shape(batch.shape)
        np.copyto(self._input.array(self._shape), batch)
        backend.record(events[0], stream)
        backend.copy_to_device(self._input.device, self._input.raw(self._shape), stream)
        backend.record(events[1], stream)
        self._enqueue()
        backend.record(events[2], stream)
        self._fetch()
        return {output.name: output.array(self._output_shapes[output.name]) for output in self._outputs}

    def _fetch(self) -> None:
        """Copy what was found to the host: wait for the counts alone, then once for everything that they name."""
        backend, stream = self._backend, self._stream
        shapes = self._output_shapes
        self._bytes_to_host = 0
        for output in self._outputs:
            if output.name not in ROW_OUTPUTS:
                self._copy(output, 0, output.raw(shapes[output.name]).nbytes)
        backend.synchronize(stream)
        for output in self._outputs:
            if output.name in ROW_OUTPUTS:
                _, rows, *row_shape = shapes[output.name]
                row_bytes = output.raw(tuple(row_shape)).nbytes
                for image, count in enumerate(self._counts(rows)):
                    self._copy(output, image * rows * row_bytes, count * row_bytes)
        backend.record(self._events[3], stream)
        backend.synchronize(stream)

    def _copy(self, output: _Binding, start: int, nbytes: int) -> None:
        if nbytes:
            target = output.host[start : start + nbytes]
            self._backend.copy_to_host(target, output.device.part(start), self._stream)
            self._bytes_to_host += nbytes

    def _counts(self, rows: int) -> list[int]:
        """How many detections each image has, of `rows` that there is room for."""
        (output,) = (output for output in self._outputs if output.name == COUNTS)
        counts: list[int] = output.array(self._output_shapes[COUNTS]).reshape(-1).tolist()
        if min(counts) < 0 or max(counts) > rows:
            raise YolactDeployError(f"{self._source} gives {COUNTS} {counts}, with room for {rows}: rebuild it")
        return counts

    def stage_times(self) -> StageTimes:
        """The times of the last call."""
        before_copy, before_work, after_work, after_copy = self._events
        elapsed = self._backend.elapsed_ms
        return StageTimes(
            host_to_device=elapsed(before_copy, before_work),
            gpu=elapsed(before_work, after_work),
            device_to_host=elapsed(after_work, after_copy),
            enqueue=self._enqueue_ms,
            bytes_to_host=self._bytes_to_host,
        )

    def _set_shape(self, shape: Shape) -> None:
        """Tell the engine what comes; a captured graph is for one shape."""
        if shape == self._shape:
            return
        self._drop_graph()
        self._calls_with_shape = 0
        if not self._context.set_input_shape(self._input.name, shape):
            raise YolactDeployError(f"{self._source}: TensorRT refuses the input shape {list(shape)}")
        self._shape = shape
        self._output_shapes = {
            output.name: shape_of(self._context.get_tensor_shape(output.name)) for output in self._outputs
        }

    def _drop_graph(self) -> None:
        if self._graph is not None:
            graph, self._graph = self._graph, None
            graph.close()

    def _enqueue(self) -> None:
        """Hand the engine's work to the stream; from the second call with one shape on as a CUDA graph.

        The first call with a shape is not captured, because TensorRT may set things up in it.
        """
        if self._graph is None and self._may_capture and self._calls_with_shape == 1:
            self._graph = self._backend.capture(self._execute, self._stream)
            self._may_capture = self._graph is not None
        self._calls_with_shape = min(self._calls_with_shape + 1, 2)
        start = time.perf_counter()
        (self._graph.launch if self._graph is not None else self._execute)()
        self._enqueue_ms = (time.perf_counter() - start) * 1e3

    def _execute(self) -> None:
        with self._opened.library.logger.collecting() as errors:
            done = self._context.execute_async_v3(self._stream.handle)
        if not done:
            shape = str(list(self._shape)).replace(" ", "")
            # A plugin's own message comes first, such as that its library was built for other GPUs.
            raise YolactDeployError(f"{self._source}: TensorRT failed to run input {shape} ({errors.reason()})")
