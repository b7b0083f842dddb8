"""Stand-ins for `cuda.bindings.runtime` and `pycuda.driver`: device memory is memory of the host, streams run at once.

They hold just the names that the backends use, count what is alive, and fail on demand.
"""

from __future__ import annotations

import ctypes
import enum
import types
from collections.abc import Callable
from typing import Any

import numpy as np

Work = Callable[[], None]


class FakeStream:
    """Runs what it is given, or records it while it is captured."""

    def __init__(self) -> None:
        self.recording: list[Work] | None = None

    def submit(self, work: Work) -> None:
        if self.recording is None:
            work()
        else:
            self.recording.append(work)


class FakeGpu:
    """What the stand-ins share: one GPU with its memory, streams and events."""

    def __init__(self, name: str = "Orin", capability: tuple[int, int] = (8, 7)) -> None:
        self.name, self.capability = name, capability
        self.memory: dict[int, Any] = {}  # live allocations by address
        self.streams: dict[int, FakeStream] = {}
        self.others: set[int] = set()  # live events and graphs
        self.calls: list[str] = []
        self.clock_ms = 0.0
        self.memory_limit = 1 << 40
        self.fails: set[str] = set()  # functions that return an error
        self._next = 1000

    def number(self) -> int:
        self._next += 1
        return self._next

    def allocate(self, nbytes: int) -> int:
        if nbytes > self.memory_limit:
            raise MemoryError
        block = (ctypes.c_uint8 * nbytes)()
        address = ctypes.addressof(block)
        self.memory[address] = block
        return address

    def free(self, address: int) -> None:
        del self.memory[address]  # freeing twice is a KeyError

    def stream(self) -> int:
        handle = self.number()
        self.streams[handle] = FakeStream()
        return handle

    def tick(self) -> float:
        self.clock_ms += 1.0
        return self.clock_ms

    @property
    def is_clean(self) -> bool:
        """Whether everything was given back."""
        return not (self.memory or self.streams or self.others)


class CudaError(enum.IntEnum):
    cudaSuccess = 0  # noqa: N815
    cudaErrorMemoryAllocation = 2  # noqa: N815
    cudaErrorInsufficientDriver = 35  # noqa: N815
    cudaErrorUnknown = 999  # noqa: N815


def fake_cuda_python(gpu: FakeGpu) -> types.ModuleType:
    """`cuda.bindings.runtime`: every function returns its error first."""
    module = types.ModuleType("cuda.bindings.runtime")
    events: dict[int, float] = {}
    graphs: dict[int, list[Work]] = {}

    def put(function: Callable[..., Any]) -> None:
        name = function.__name__

        def wrapped(*arguments: Any) -> tuple[Any, ...]:
            gpu.calls.append(name)
            if name in gpu.fails:
                return (CudaError.cudaErrorUnknown, None)
            try:
                result = function(*arguments)
            except MemoryError:
                return (CudaError.cudaErrorMemoryAllocation, None)
            return (CudaError.cudaSuccess,) if result is None else (CudaError.cudaSuccess, result)

        setattr(module, name, wrapped)

    def move(target: int, source: int, count: int, stream: int) -> None:
        gpu.streams[stream].submit(lambda: ctypes.memmove(target, source, count) and None)

    def new(table: dict[int, Any], value: Any) -> int:
        handle = gpu.number()
        gpu.others.add(handle)
        table[handle] = value
        return handle

    def begin(stream: int, mode: object) -> None:
        gpu.streams[stream].recording = []

    def end(stream: int) -> int:
        recorded, gpu.streams[stream].recording = gpu.streams[stream].recording, None
        assert recorded is not None
        return new(graphs, recorded)

    functions: dict[str, Callable[..., Any]] = {
        "cudaGetDeviceCount": lambda: 1,
        "cudaSetDevice": lambda device: None,
        "cudaGetDeviceProperties": lambda device: types.SimpleNamespace(
            name=gpu.name.encode() + b"\0\0", major=gpu.capability[0], minor=gpu.capability[1]
        ),
        "cudaRuntimeGetVersion": lambda: 13020,
        "cudaMalloc": gpu.allocate,
        "cudaFree": gpu.free,
        "cudaMallocHost": gpu.allocate,
        "cudaFreeHost": gpu.free,
        "cudaStreamCreateWithFlags": lambda flags: gpu.stream(),
        "cudaStreamDestroy": lambda stream: gpu.streams.pop(stream) and None,
        "cudaStreamSynchronize": lambda stream: None,
        "cudaEventCreateWithFlags": lambda flags: new(events, 0.0),
        "cudaEventDestroy": gpu.others.remove,
        "cudaEventRecord": lambda event, stream: events.update({event: gpu.tick()}),
        "cudaEventElapsedTime": lambda start, end: events[end] - events[start],
        "cudaMemcpyAsync": lambda target, source, count, kind, stream: move(target, source, count, stream),
        "cudaStreamBeginCapture": begin,
        "cudaStreamEndCapture": end,
        "cudaGraphInstantiate": lambda graph, flags: new(graphs, graphs[graph]),
        "cudaGraphDestroy": gpu.others.remove,
        "cudaGraphExecDestroy": gpu.others.remove,
        "cudaGraphLaunch": lambda graph, stream: [work() for work in graphs[graph]] and None,
        "cudaGetLastError": lambda: None,
    }
    for name, function in functions.items():
        function = _named(name, function)
        put(function)
    module.cudaGetErrorString = lambda error: (  # type: ignore[attr-defined]
        CudaError.cudaSuccess,
        b"out of memory" if error == CudaError.cudaErrorMemoryAllocation else b"something broke",
    )
    module.cudaError_t = CudaError  # type: ignore[attr-defined]
    module.cudaMemcpyKind = types.SimpleNamespace(  # type: ignore[attr-defined]
        cudaMemcpyHostToDevice=1, cudaMemcpyDeviceToHost=2
    )
    module.cudaStreamCaptureMode = types.SimpleNamespace(cudaStreamCaptureModeThreadLocal=1)  # type: ignore[attr-defined]
    module.cudaStreamNonBlocking = 1  # type: ignore[attr-defined]
    module.cudaEventDefault = 0  # type: ignore[attr-defined]
    return module


def _named(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    def renamed(*arguments: Any) -> Any:
        return function(*arguments)

    renamed.__name__ = name
    return renamed


class _Freed:
    """Something of PyCUDA that frees its memory once."""

    def __init__(self, gpu: FakeGpu, nbytes: int) -> None:
        self._gpu, self.address, self.nbytes = gpu, gpu.allocate(nbytes), nbytes

    def free(self) -> None:
        self._gpu.free(self.address)

    def __int__(self) -> int:
        return self.address


class _PinnedArray(np.ndarray):
    """`pagelocked_empty` gives an array whose `base` is the allocation; NumPy lets no other object be one."""

    allocation: _Freed

    @property
    def base(self) -> Any:
        return self.allocation


def fake_pycuda(gpu: FakeGpu) -> types.ModuleType:
    """`pycuda.driver`: errors are exceptions, and a context must be current."""
    module: Any = types.ModuleType("pycuda.driver")

    class Error(Exception):
        pass

    class LogicError(Error):
        pass

    class PyCudaMemoryError(Error):
        pass

    depth: list[int] = []

    class Context:
        def push(self) -> None:
            depth.append(1)

        @staticmethod
        def pop() -> None:
            depth.pop()

    class Device:
        def __init__(self, number: int) -> None:
            assert number == 0

        @staticmethod
        def count() -> int:
            return 1

        def name(self) -> str:
            return gpu.name

        def compute_capability(self) -> tuple[int, int]:
            return gpu.capability

        def retain_primary_context(self) -> Context:
            return Context()

    def need_context(name: str) -> None:
        gpu.calls.append(name)
        if not depth:
            raise LogicError("context is not current")
        if name in gpu.fails:
            raise LogicError("something broke")

    def mem_alloc(nbytes: int) -> _Freed:
        need_context("mem_alloc")
        try:
            return _Freed(gpu, nbytes)
        except MemoryError:
            raise PyCudaMemoryError("cuMemAlloc failed: out of memory") from None

    def pagelocked_empty(shape: int, dtype: Any) -> np.ndarray:
        need_context("pagelocked_empty")
        allocation = _Freed(gpu, shape * np.dtype(dtype).itemsize)
        array = np.ctypeslib.as_array(gpu.memory[allocation.address]).view(_PinnedArray)
        array.allocation = allocation
        return array

    class Stream:
        def __init__(self) -> None:
            need_context("Stream")
            self.handle = gpu.stream()

        def synchronize(self) -> None:
            need_context("synchronize")

        def __del__(self) -> None:
            gpu.streams.pop(self.handle, None)

    class Event:
        def record(self, stream: Stream) -> None:
            need_context("record")
            self.time = gpu.tick()

        def time_since(self, other: Event) -> float:
            return self.time - other.time

    def memcpy_htod_async(target: _Freed, source: np.ndarray, stream: Stream) -> None:
        need_context("memcpy_htod_async")
        ctypes.memmove(target.address, source.ctypes.data, source.nbytes)

    def memcpy_dtoh_async(target: np.ndarray, source: _Freed, stream: Stream) -> None:
        need_context("memcpy_dtoh_async")
        ctypes.memmove(target.ctypes.data, source.address, target.nbytes)

    module.init = lambda: None
    module.get_version = lambda: (13, 2, 0)
    module.Error, module.LogicError, module.MemoryError = Error, LogicError, PyCudaMemoryError
    module.Device, module.Stream, module.Event = Device, Stream, Event
    module.mem_alloc, module.pagelocked_empty = mem_alloc, pagelocked_empty
    module.memcpy_htod_async, module.memcpy_dtoh_async = memcpy_htod_async, memcpy_dtoh_async
    return module
