"""CUDA through NVIDIA's cuda-python: the CUDA runtime's own functions, each returning its error first."""

from __future__ import annotations

import contextlib
import ctypes
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ..errors import YolactDeployError
from ..machine import GpuInfo
from .cuda_backend import Bytes, CudaBackend, DeviceBuffer, Graph, Stream, call_failed, no_gpu


class CudaPythonBackend(CudaBackend):
    """The backend; `runtime` is the module `cuda.bindings.runtime`."""

    def __init__(self, runtime: Any) -> None:
        super().__init__()
        self._runtime = runtime
        self._graphs: set[_Graph] = set()
        self._owned.callback(self._close_graphs)
        try:
            count = self._call("cudaGetDeviceCount")
        except YolactDeployError as error:
            raise no_gpu(str(error)) from None
        if count == 0:
            raise no_gpu("none is listed")
        properties = self._call("cudaGetDeviceProperties", 0)
        name = properties.name.decode() if isinstance(properties.name, bytes) else str(properties.name)
        self.gpu = GpuInfo(name.strip("\0 "), f"{properties.major}.{properties.minor}")
        self.cuda_version = _version_text(self._call("cudaRuntimeGetVersion"))
        self.name = f"cuda-python, CUDA {self.cuda_version}"

    def _call(self, function: str, *arguments: Any) -> Any:
        status, *values = getattr(self._runtime, function)(*arguments)
        if status != self._runtime.cudaError_t.cudaSuccess:
            _, text = self._runtime.cudaGetErrorString(status)
            nbytes = arguments[0] if function in ("cudaMalloc", "cudaMallocHost") else None
            raise call_failed(function, text.decode() if isinstance(text, bytes) else str(text), nbytes)
        return values[0] if values else None

    @contextlib.contextmanager
    def current(self) -> Iterator[None]:
        self._call("cudaSetDevice", 0)
        yield

    def allocate(self, nbytes: int) -> DeviceBuffer:
        pointer = self._call("cudaMalloc", nbytes)
        self._owned.callback(self._call, "cudaFree", pointer)
        return DeviceBuffer(int(pointer), nbytes)

    def allocate_pinned(self, nbytes: int) -> Bytes:
        pointer = self._call("cudaMallocHost", nbytes)
        self._owned.callback(self._call, "cudaFreeHost", pointer)
        return np.ctypeslib.as_array((ctypes.c_uint8 * nbytes).from_address(int(pointer)))

    def create_stream(self) -> Stream:
        stream = self._call("cudaStreamCreateWithFlags", self._runtime.cudaStreamNonBlocking)
        self._owned.callback(self._call, "cudaStreamDestroy", stream)
        return Stream(int(stream), stream)

    def synchronize(self, stream: Stream) -> None:
        self._call("cudaStreamSynchronize", stream.native)

    def create_event(self) -> Any:
        event = self._call("cudaEventCreateWithFlags", self._runtime.cudaEventDefault)
        self._owned.callback(self._call, "cudaEventDestroy", event)
        return event

    def record(self, event: Any, stream: Stream) -> None:
        self._call("cudaEventRecord", event, stream.native)

    def elapsed_ms(self, start: Any, end: Any) -> float:
        return float(self._call("cudaEventElapsedTime", start, end))

    def copy_to_device(self, target: DeviceBuffer, source: Bytes, stream: Stream) -> None:
        kind = self._runtime.cudaMemcpyKind.cudaMemcpyHostToDevice
        self._call("cudaMemcpyAsync", target.address, source.ctypes.data, source.nbytes, kind, stream.native)

    def copy_to_host(self, target: Bytes, source: DeviceBuffer, stream: Stream) -> None:
        kind = self._runtime.cudaMemcpyKind.cudaMemcpyDeviceToHost
        self._call("cudaMemcpyAsync", target.ctypes.data, source.address, target.nbytes, kind, stream.native)

    def copy_on_device(self, target: DeviceBuffer, source: DeviceBuffer, stream: Stream) -> None:
        kind = self._runtime.cudaMemcpyKind.cudaMemcpyDeviceToDevice
        self._call("cudaMemcpyAsync", target.address, source.address, source.nbytes, kind, stream.native)

    def capture(self, enqueue: Callable[[], None], stream: Stream) -> Graph | None:
        with contextlib.suppress(YolactDeployError):
            recorded = self._record_graph(enqueue, stream)
            try:
                executable = self._call("cudaGraphInstantiate", recorded, 0)
            finally:
                self._call("cudaGraphDestroy", recorded)
            graph = _Graph(self._call, executable, stream, self._graphs)
            self._graphs.add(graph)
            return graph
        # Or whoever asks for the last error next, such as a plugin after its launch, is told of this one.
        self._runtime.cudaGetLastError()
        return None

    def _record_graph(self, enqueue: Callable[[], None], stream: Stream) -> Any:
        """The graph of what `enqueue` puts on the stream. Raises YolactDeployError when it cannot be captured."""
        # Thread-local: other predictors in other threads may allocate meanwhile.
        mode = self._runtime.cudaStreamCaptureMode.cudaStreamCaptureModeThreadLocal
        self._call("cudaStreamBeginCapture", stream.native, mode)
        try:
            enqueue()
        except BaseException:  # the capture must end all the same
            with contextlib.suppress(YolactDeployError):
                self._call("cudaGraphDestroy", self._call("cudaStreamEndCapture", stream.native))
            raise
        return self._call("cudaStreamEndCapture", stream.native)

    def _close_graphs(self) -> None:
        for graph in list(self._graphs):
            graph.close()


class _Graph(Graph):
    def __init__(self, call: Callable[..., Any], executable: Any, stream: Stream, live: set[_Graph]) -> None:
        self._call, self._executable, self._stream, self._live = call, executable, stream, live

    def launch(self) -> None:
        self._call("cudaGraphLaunch", self._executable, self._stream.native)

    def close(self) -> None:
        if self in self._live:
            self._live.remove(self)
            self._call("cudaGraphExecDestroy", self._executable)


def _version_text(number: int) -> str:
    """13020 -> "13.2"."""
    return f"{number // 1000}.{number % 1000 // 10}"
