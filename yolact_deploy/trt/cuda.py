"""Device memory, pinned host memory, streams, events and CUDA graphs over PyCUDA, or cuda-python where that is missing.

A `CudaBackend` owns what it hands out and frees all of it in `close`. Every error of CUDA is a YolactDeployError.
PyCUDA has no interface to CUDA graphs, so there `capture` says None and the caller enqueues as before.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import MissingDependencyError, YolactDeployError
from ..machine import GpuInfo

Bytes = npt.NDArray[np.uint8]  # [n]

INSTALL_LINE = "pip install cuda-python (on a Jetson the version of its CUDA: 12.6 for JetPack 6, 13 for JetPack 7)"


@dataclass(frozen=True)
class DeviceBuffer:
    """Memory of the GPU."""

    address: int
    nbytes: int
    native: Any


@dataclass(frozen=True)
class Stream:
    """A queue of work, other than the default stream, which cannot be captured."""

    handle: int  # cudaStream_t as a number, as TensorRT takes it
    native: Any


class CudaBackend(ABC):
    """CUDA on the first visible GPU."""

    name: str  # "PyCUDA 2025.1" or such
    gpu: GpuInfo
    cuda_version: str  # of the runtime that the binding brings, such as "13.0"

    def __init__(self) -> None:
        self._owned = contextlib.ExitStack()

    @abstractmethod
    def current(self) -> contextlib.AbstractContextManager[None]:
        """Make the GPU current for this thread; every other method is called inside."""

    @abstractmethod
    def allocate(self, nbytes: int) -> DeviceBuffer:
        """`nbytes` of device memory."""

    @abstractmethod
    def allocate_pinned(self, nbytes: int) -> Bytes:
        """`nbytes` of page-locked host memory: copies from and to it run beside other work."""

    @abstractmethod
    def create_stream(self) -> Stream:
        """A new stream."""

    @abstractmethod
    def synchronize(self, stream: Stream) -> None:
        """Wait until all of the stream's work is done."""

    @abstractmethod
    def create_event(self) -> Any:
        """A new event that keeps the time."""

    @abstractmethod
    def record(self, event: Any, stream: Stream) -> None:
        """Let `event` happen when the stream gets there."""

    @abstractmethod
    def elapsed_ms(self, start: Any, end: Any) -> float:
        """Milliseconds between two events that have happened."""

    @abstractmethod
    def copy_to_device(self, target: DeviceBuffer, source: Bytes, stream: Stream) -> None:
        """Enqueue a copy of the whole of `source`, which is pinned."""

    @abstractmethod
    def copy_to_host(self, target: Bytes, source: DeviceBuffer, stream: Stream) -> None:
        """Enqueue a copy that fills `target`, which is pinned."""

    def capture(self, enqueue: Callable[[], None], stream: Stream) -> Callable[[], None] | None:
        """Record what `enqueue` puts on the stream, without running it: a call that launches it all at once.

        None where the binding or the work cannot be captured.
        """
        return None

    def close(self) -> None:
        """Free everything; may be called twice."""
        with self.current():
            self._owned.close()


def open_backend() -> CudaBackend:
    """PyCUDA where it is installed, else cuda-python.

    Raises MissingDependencyError when neither is, YolactDeployError when there is no working driver and GPU.
    """
    for name, backend in (("pycuda.driver", PyCudaBackend), ("cuda.bindings.runtime", CudaPythonBackend)):
        try:
            module = importlib.import_module(name)
        except ImportError:
            continue
        return backend(module)
    raise MissingDependencyError(f"running an engine needs PyCUDA or cuda-python: {INSTALL_LINE}")


def find_gpu() -> GpuInfo | None:
    """The GPU that engines run on here, None when there is none or no binding to ask."""
    try:
        backend = open_backend()
    except YolactDeployError:
        return None
    backend.close()
    return backend.gpu


class CudaPythonBackend(CudaBackend):
    """NVIDIA's cuda-python: the CUDA runtime's own functions, each returning its error first."""

    def __init__(self, runtime: Any) -> None:
        super().__init__()
        self._runtime = runtime
        try:
            count = self._call("cudaGetDeviceCount")
        except YolactDeployError as error:
            raise _no_gpu(str(error)) from None
        if count == 0:
            raise _no_gpu("none is listed")
        properties = self._call("cudaGetDeviceProperties", 0)
        name = properties.name.decode() if isinstance(properties.name, bytes) else str(properties.name)
        self.gpu = GpuInfo(name.strip("\0 "), f"{properties.major}.{properties.minor}")
        self.cuda_version = _version_text(self._call("cudaRuntimeGetVersion"))
        self.name = f"cuda-python, CUDA {self.cuda_version}"

    def _call(self, function: str, *arguments: Any) -> Any:
        status, *values = getattr(self._runtime, function)(*arguments)
        if status != self._runtime.cudaError_t.cudaSuccess:
            _, text = self._runtime.cudaGetErrorString(status)
            raise _failed(function, text.decode() if isinstance(text, bytes) else str(text), arguments)
        return values[0] if values else None

    @contextlib.contextmanager
    def current(self) -> Iterator[None]:
        self._call("cudaSetDevice", 0)
        yield

    def allocate(self, nbytes: int) -> DeviceBuffer:
        pointer = self._call("cudaMalloc", nbytes)
        self._owned.callback(self._call, "cudaFree", pointer)
        return DeviceBuffer(int(pointer), nbytes, pointer)

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

    def capture(self, enqueue: Callable[[], None], stream: Stream) -> Callable[[], None] | None:
        # Thread-local: other predictors in other threads may allocate meanwhile.
        mode = self._runtime.cudaStreamCaptureMode.cudaStreamCaptureModeThreadLocal
        self._call("cudaStreamBeginCapture", stream.native, mode)
        enqueued = False
        try:
            enqueue()
            enqueued = True
        except YolactDeployError:
            pass  # the work cannot be captured, and the capture must end all the same
        try:
            graph = self._call("cudaStreamEndCapture", stream.native)
            if not enqueued:
                return None
            executable = self._call("cudaGraphInstantiate", graph, 0)
            self._call("cudaGraphDestroy", graph)
        except YolactDeployError:
            self._runtime.cudaGetLastError()  # or the next call reports this failure as its own
            return None
        self._owned.callback(self._call, "cudaGraphExecDestroy", executable)
        return lambda: self._call("cudaGraphLaunch", executable, stream.native)


class PyCudaBackend(CudaBackend):
    """PyCUDA on the primary context, which TensorRT uses too."""

    def __init__(self, driver: Any) -> None:
        super().__init__()
        self._driver = driver
        with self._errors("start"):
            driver.init()
            if driver.Device.count() == 0:
                raise _no_gpu("none is listed")
            device = driver.Device(0)
            self.gpu = GpuInfo(device.name(), "{}.{}".format(*device.compute_capability()))
            self._context = device.retain_primary_context()
        self.cuda_version = "{}.{}".format(*driver.get_version())
        self.name = f"PyCUDA, CUDA {self.cuda_version}"

    @contextlib.contextmanager
    def _errors(self, action: str, *arguments: Any) -> Iterator[None]:
        try:
            yield
        except (self._driver.Error, self._driver.MemoryError, self._driver.LogicError) as error:
            raise _failed(action, str(error), arguments) from None

    @contextlib.contextmanager
    def current(self) -> Iterator[None]:
        self._context.push()
        try:
            yield
        finally:
            self._context.pop()

    def allocate(self, nbytes: int) -> DeviceBuffer:
        with self._errors("mem_alloc", nbytes):
            allocation = self._driver.mem_alloc(nbytes)
        self._owned.callback(allocation.free)
        return DeviceBuffer(int(allocation), nbytes, allocation)

    def allocate_pinned(self, nbytes: int) -> Bytes:
        with self._errors("pagelocked_empty", nbytes):
            array: Bytes = self._driver.pagelocked_empty(nbytes, np.uint8)
        self._owned.callback(array.base.free)  # type: ignore[union-attr]
        return array

    def create_stream(self) -> Stream:
        with self._errors("Stream"):
            stream = self._driver.Stream()
        return Stream(int(stream.handle), stream)

    def synchronize(self, stream: Stream) -> None:
        with self._errors("synchronize"):
            stream.native.synchronize()

    def create_event(self) -> Any:
        with self._errors("Event"):
            return self._driver.Event()

    def record(self, event: Any, stream: Stream) -> None:
        with self._errors("record"):
            event.record(stream.native)

    def elapsed_ms(self, start: Any, end: Any) -> float:
        with self._errors("time_since"):
            return float(end.time_since(start))

    def copy_to_device(self, target: DeviceBuffer, source: Bytes, stream: Stream) -> None:
        with self._errors("memcpy_htod_async"):
            self._driver.memcpy_htod_async(target.native, source, stream.native)

    def copy_to_host(self, target: Bytes, source: DeviceBuffer, stream: Stream) -> None:
        with self._errors("memcpy_dtoh_async"):
            self._driver.memcpy_dtoh_async(target, source.native, stream.native)


def _no_gpu(reason: str) -> YolactDeployError:
    reason = reason.partition("; see")[0]
    return YolactDeployError(
        f"an engine needs an NVIDIA GPU and its driver here ({reason}): see `yolact-deploy doctor`"
    )


def _failed(function: str, reason: str, arguments: tuple[Any, ...]) -> YolactDeployError:
    if "memory" in reason.lower() and len(arguments) == 1:
        size = f"{arguments[0] / 2**20:.1f} MiB"
        return YolactDeployError(f"out of GPU memory: {size} more were asked for; use a smaller batch or image size")
    return YolactDeployError(f"CUDA failed in {function}: {reason}; see `yolact-deploy doctor`")


def _version_text(number: int) -> str:
    """13020 -> "13.2"."""
    return f"{number // 1000}.{number % 1000 // 10}"
