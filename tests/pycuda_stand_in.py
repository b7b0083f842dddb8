"""A stand-in for `pycuda.driver` on a stand-in GPU: errors are exceptions, and a context must be current."""

from __future__ import annotations

import types
from typing import Any

import numpy as np

from tests.gpu_stand_in import FakeCudaError, FakeGpu, FakeStream


class _Allocation:
    """Something of PyCUDA that frees its memory once."""

    def __init__(self, gpu: FakeGpu, table: dict[int, Any], nbytes: int) -> None:
        self._gpu, self._table = gpu, table
        self.address = gpu.allocate(table, nbytes)

    def free(self) -> None:
        self._gpu.free(self._table, self.address)

    def __int__(self) -> int:
        return self.address


class _PinnedArray(np.ndarray):
    """`pagelocked_empty` gives an array whose `base` is the allocation; NumPy lets no other object be one."""

    allocation: _Allocation

    @property
    def base(self) -> Any:
        return self.allocation


def fake_pycuda(gpu: FakeGpu) -> types.ModuleType:
    """The module."""
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

    def mem_alloc(nbytes: int) -> _Allocation:
        need_context("mem_alloc")
        try:
            return _Allocation(gpu, gpu.memory, nbytes)
        except MemoryError:
            raise PyCudaMemoryError("cuMemAlloc failed: out of memory") from None

    def pagelocked_empty(shape: int, dtype: Any) -> np.ndarray:
        need_context("pagelocked_empty")
        allocation = _Allocation(gpu, gpu.pinned, shape * np.dtype(dtype).itemsize)
        array = np.ctypeslib.as_array(gpu.pinned[allocation.address]).view(_PinnedArray)
        array.allocation = allocation
        return array

    class Stream:
        def __init__(self) -> None:
            need_context("Stream")
            self.handle = gpu.new(gpu.streams, FakeStream())

        def synchronize(self) -> None:
            need_context("synchronize")
            gpu.streams[self.handle].wait()

        def __del__(self) -> None:
            gpu.destroy_stream(self.handle)

    class Event:
        def __init__(self) -> None:
            need_context("Event")
            self._handle = gpu.new(gpu.events, None)

        def record(self, stream: Stream) -> None:
            need_context("record")
            gpu.record(self._handle, stream.handle)

        def time_since(self, other: Event) -> float:
            need_context("time_since")
            try:
                return gpu.elapsed(other._handle, self._handle)
            except FakeCudaError as error:
                raise LogicError(f"cuEventElapsedTime failed: {error}") from None

        def __del__(self) -> None:
            del gpu.events[self._handle]

    def memcpy_htod_async(target: _Allocation | int, source: np.ndarray, stream: Stream) -> None:
        need_context("memcpy_htod_async")
        gpu.copy(int(target), source.ctypes.data, source.nbytes, stream.handle)

    def memcpy_dtoh_async(target: np.ndarray, source: _Allocation | int, stream: Stream) -> None:
        need_context("memcpy_dtoh_async")
        try:
            gpu.copy(target.ctypes.data, int(source), target.nbytes, stream.handle)
        except MemoryError:
            raise PyCudaMemoryError("cuMemcpyDtoHAsync failed: out of memory") from None

    def memcpy_dtod_async(target: _Allocation | int, source: _Allocation | int, size: int, stream: Stream) -> None:
        need_context("memcpy_dtod_async")
        gpu.copy(int(target), int(source), size, stream.handle)

    module.init = lambda: None
    module.get_version = lambda: (13, 2, 0)
    module.Error, module.LogicError, module.MemoryError = Error, LogicError, PyCudaMemoryError
    module.Device, module.Stream, module.Event = Device, Stream, Event
    module.mem_alloc, module.pagelocked_empty = mem_alloc, pagelocked_empty
    module.memcpy_htod_async, module.memcpy_dtoh_async = memcpy_htod_async, memcpy_dtoh_async
    module.memcpy_dtod_async = memcpy_dtod_async
    return module
