"""A stand-in for `cuda.bindings.runtime` on a stand-in GPU: just the functions that the backend calls."""

from __future__ import annotations

import enum
import types
from collections.abc import Callable
from typing import Any

from tests.gpu_stand_in import FakeCudaError, FakeGpu, FakeStream


class CudaError(enum.IntEnum):
    cudaSuccess = 0  # noqa: N815
    cudaErrorMemoryAllocation = 2  # noqa: N815
    cudaErrorUnknown = 999  # noqa: N815


def fake_cuda_python(gpu: FakeGpu) -> types.ModuleType:
    """Every function returns its error first, and keeps it for cudaGetLastError."""
    module: Any = types.ModuleType("cuda.bindings.runtime")

    def function(name: str, work: Callable[..., Any]) -> Callable[..., tuple[Any, ...]]:
        def call(*arguments: Any) -> tuple[Any, ...]:
            gpu.calls.append(name)
            try:
                if name in gpu.fails:
                    if name == "cudaStreamEndCapture":  # it ends, without a graph
                        gpu.streams[arguments[0]].end_capture()
                    raise FakeCudaError
                result = work(*arguments)
            except (MemoryError, FakeCudaError) as error:
                gpu.last_error = True
                is_memory = isinstance(error, MemoryError)
                return (CudaError.cudaErrorMemoryAllocation if is_memory else CudaError.cudaErrorUnknown, None)
            return (CudaError.cudaSuccess,) if result is None else (CudaError.cudaSuccess, result)

        return call

    for name, work in _functions(gpu).items():
        setattr(module, name, function(name, work))

    def last_error() -> tuple[CudaError]:
        was_error, gpu.last_error = gpu.last_error, False
        return (CudaError.cudaErrorUnknown if was_error else CudaError.cudaSuccess,)

    module.cudaGetLastError = last_error
    module.cudaGetErrorString = lambda error: (
        CudaError.cudaSuccess,
        b"out of memory" if error == CudaError.cudaErrorMemoryAllocation else b"something broke",
    )
    module.cudaError_t = CudaError
    module.cudaMemcpyKind = types.SimpleNamespace(
        cudaMemcpyHostToDevice=1, cudaMemcpyDeviceToHost=2, cudaMemcpyDeviceToDevice=3
    )
    module.cudaStreamCaptureMode = types.SimpleNamespace(cudaStreamCaptureModeThreadLocal=1)
    module.cudaStreamNonBlocking = 1
    module.cudaEventDefault = 0
    return module


def _functions(gpu: FakeGpu) -> dict[str, Callable[..., Any]]:
    def copy(target: int, source: int, nbytes: int, kind: int, stream: int) -> None:
        sides = {1: (gpu.memory, gpu.pinned), 2: (gpu.pinned, gpu.memory), 3: (gpu.memory, gpu.memory)}[kind]
        for address, side in zip((target, source), sides, strict=True):
            assert any(start <= address < start + len(block) for start, block in side.items()), "the wrong direction"
        gpu.copy(target, source, nbytes, stream)

    def launch(executable: int, stream: int) -> None:
        for work in gpu.executables[executable]:
            gpu.streams[stream].submit(work)

    return {
        "cudaGetDeviceCount": lambda: 1,
        "cudaSetDevice": lambda device: None,
        "cudaGetDeviceProperties": lambda device: types.SimpleNamespace(
            name=gpu.name.encode() + b"\0\0", major=gpu.capability[0], minor=gpu.capability[1]
        ),
        "cudaRuntimeGetVersion": lambda: 13020,
        "cudaMalloc": lambda nbytes: gpu.allocate(gpu.memory, nbytes),
        "cudaFree": lambda address: gpu.free(gpu.memory, address),
        "cudaMallocHost": lambda nbytes: gpu.allocate(gpu.pinned, nbytes),
        "cudaFreeHost": lambda address: gpu.free(gpu.pinned, address),
        "cudaStreamCreateWithFlags": lambda flags: gpu.new(gpu.streams, FakeStream()),
        "cudaStreamDestroy": gpu.destroy_stream,
        "cudaStreamSynchronize": lambda stream: gpu.streams[stream].wait(),
        "cudaEventCreateWithFlags": lambda flags: gpu.new(gpu.events, None),
        "cudaEventDestroy": lambda event: _drop(gpu.events, event),
        "cudaEventRecord": gpu.record,
        "cudaEventElapsedTime": gpu.elapsed,
        "cudaMemcpyAsync": copy,
        "cudaStreamBeginCapture": lambda stream, mode: gpu.streams[stream].begin_capture(),
        "cudaStreamEndCapture": lambda stream: gpu.new(gpu.graphs, gpu.streams[stream].end_capture()),
        "cudaGraphInstantiate": lambda graph, flags: gpu.new(gpu.executables, gpu.graphs[graph]),
        "cudaGraphDestroy": lambda graph: _drop(gpu.graphs, graph),
        "cudaGraphExecDestroy": lambda executable: _drop(gpu.executables, executable),
        "cudaGraphLaunch": launch,
    }


def _drop(table: dict[int, Any], handle: int) -> None:
    del table[handle]  # destroying twice is a KeyError
