"""Arrays in device memory, and one operator's kernels bound to them."""

from __future__ import annotations

import ctypes
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from yolact_deploy.errors import YolactDeployError
from yolact_deploy.trt.cuda import open_backend
from yolact_deploy.trt.cuda_backend import Bytes, CudaBackend, DeviceBuffer, Stream
from yolact_deploy.trt.kernel_library import KernelLibrary, pointers

GUARD_BYTES = 256  # behind each output and the workspace: no kernel may touch them
POISON = 0xA5  # what outputs and workspace hold before

Arrays = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Launch:
    """One call of the plugin library; the stream is its last argument."""

    function: str
    before: tuple[Any, ...]  # arguments before the tensors
    uses_workspace: bool = False


@dataclass(frozen=True)
class Work:
    """What one operator has to do: inputs, and the calls that do it."""

    inputs: Arrays
    outputs: Mapping[str, tuple[tuple[int, ...], np.dtype[Any]]]  # shape and type by name
    whole: Launch
    kernels: Mapping[str, Launch]  # one by one; empty where there is only one
    workspace_bytes: Callable[[KernelLibrary], int] = lambda library: 0


@dataclass(frozen=True)
class Device:
    """The GPU with a stream and a plugin library. Use it inside `backend.current()`."""

    backend: CudaBackend
    stream: Stream
    library: KernelLibrary

    @classmethod
    @contextmanager
    def opened(cls, library: Path) -> Iterator[Device]:
        """Everything that is allocated is freed at the end. Raises ModelFileError, YolactDeployError without a GPU."""
        kernels = KernelLibrary.load(library)
        backend = open_backend()
        try:
            with backend.current():
                yield cls(backend, backend.create_stream(), kernels)
        finally:
            backend.close()

    def upload(self, data: Bytes) -> DeviceBuffer:
        """Device memory that holds `data`, at least a byte of it."""
        buffer = self.backend.allocate(max(data.nbytes, 1))
        if data.nbytes:
            pinned = self.backend.allocate_pinned(data.nbytes)
            pinned[:] = data
            self.backend.copy_to_device(buffer, pinned, self.stream)
        return buffer

    def download(self, buffer: DeviceBuffer) -> Bytes:
        """All of `buffer`, after the work on the stream."""
        pinned = self.backend.allocate_pinned(buffer.nbytes)
        self.backend.copy_to_host(pinned, buffer, self.stream)
        self.backend.synchronize(self.stream)
        return pinned.copy()

    def bind(self, work: Work, poisoned: bool = True) -> Bound:
        """Put the inputs of `work` into device memory.

        poisoned: outputs and workspace hold garbage, with a guard behind; without, they are not initialised, so that a
        tool that looks for reads of such memory finds them.
        """

        def blank(nbytes: int) -> DeviceBuffer:
            if not poisoned:
                return self.backend.allocate(max(nbytes, 1))
            return self.upload(np.full(nbytes + GUARD_BYTES, POISON, np.uint8))

        inputs = [self.upload(_bytes(array)) for array in work.inputs.values()]
        outputs = {
            name: blank(math.prod(shape) * np.dtype(dtype).itemsize) for name, (shape, dtype) in work.outputs.items()
        }
        workspace = blank(work.workspace_bytes(self.library))
        self.backend.synchronize(self.stream)
        return Bound(self, work, inputs, outputs, workspace, poisoned)


@dataclass(frozen=True)
class Bound:
    """An operator's kernels with their tensors in device memory."""

    device: Device
    work: Work
    inputs: list[DeviceBuffer]
    outputs: dict[str, DeviceBuffer]
    workspace: DeviceBuffer
    poisoned: bool

    def run(self) -> None:
        """Enqueue all of the operator's kernels."""
        self._launch(self.work.whole)

    @property
    def kernels(self) -> dict[str, Callable[[], None]]:
        """Calls that enqueue one kernel each; in order they do what `run` does. Empty where there is only one."""
        return {name: partial(self._launch, launch) for name, launch in self.work.kernels.items()}

    def _launch(self, launch: Launch) -> None:
        tensors = pointers([buffer.address for buffer in (*self.inputs, *self.outputs.values())])
        workspace = (ctypes.c_void_p(self.workspace.address),) if launch.uses_workspace else ()
        self.device.library.launch(
            launch.function, *launch.before, tensors, *workspace, stream=self.device.stream.handle
        )

    def fetch(self) -> dict[str, np.ndarray]:
        """The outputs, after the work on the stream.

        Raises YolactDeployError when CUDA failed, or a kernel wrote behind an output or the workspace.
        """
        arrays = {}
        for name, buffer in self.outputs.items():
            shape, dtype = self.work.outputs[name]
            arrays[name] = self._inside(name, buffer, math.prod(shape) * np.dtype(dtype).itemsize)
            arrays[name] = arrays[name].view(dtype).reshape(shape)
        if self.poisoned:
            self._inside("workspace", self.workspace, self.work.workspace_bytes(self.device.library))
        return arrays

    def _inside(self, name: str, buffer: DeviceBuffer, nbytes: int) -> Bytes:
        data = self.device.download(buffer)
        if self.poisoned and not (data[nbytes:] == POISON).all():
            raise YolactDeployError(f"a kernel wrote behind the end of {name}")
        return data[:nbytes]


def _bytes(array: np.ndarray) -> Bytes:
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8)
