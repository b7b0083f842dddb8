"""What running an engine needs of CUDA: device memory, pinned host memory, streams, events and graphs.

A `CudaBackend` owns what it hands out and frees all of it in `close`. Every error of CUDA is a YolactDeployError.
"""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import YolactDeployError
from ..machine import GpuInfo

Bytes = npt.NDArray[np.uint8]  # [n]


@dataclass(frozen=True)
class DeviceBuffer:
    """Memory of the GPU."""

    address: int
    nbytes: int

    def part(self, start: int) -> DeviceBuffer:
        """From byte `start` to the end."""
        return DeviceBuffer(self.address + start, self.nbytes - start)


@dataclass(frozen=True)
class Stream:
    """A queue of work, other than the default stream, which cannot be captured."""

    handle: int  # cudaStream_t as a number, as TensorRT takes it
    native: Any


class Graph(ABC):
    """Captured work of a stream."""

    @abstractmethod
    def launch(self) -> None:
        """Put all of it on the stream at once."""

    @abstractmethod
    def close(self) -> None:
        """Free it; may be called twice."""


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

    @abstractmethod
    def copy_on_device(self, target: DeviceBuffer, source: DeviceBuffer, stream: Stream) -> None:
        """Enqueue a copy of the whole of `source`."""

    def capture(self, enqueue: Callable[[], None], stream: Stream) -> Graph | None:
        """Record what `enqueue` puts on the stream, without running it.

        None where the binding or the work cannot be captured.
        """
        return None

    def close(self) -> None:
        """Free everything; may be called twice."""
        with self.current():
            self._owned.close()


def no_gpu(reason: str) -> YolactDeployError:
    """The error where there is no GPU to use."""
    reason = reason.partition("; see")[0]
    return YolactDeployError(
        f"an engine needs an NVIDIA GPU and its driver here ({reason}): see `yolact-deploy doctor`"
    )


def call_failed(function: str, reason: str, nbytes: int | None = None) -> YolactDeployError:
    """The error of a function of CUDA that fails. nbytes: of memory that it was to allocate."""
    if "out of memory" in reason.lower():
        asked = f"in {function}" if nbytes is None else f"{nbytes / 2**20:.1f} MiB more were asked for"
        return YolactDeployError(
            f"out of GPU memory: {asked}; close other programs, or use a smaller batch or image size"
        )
    return YolactDeployError(f"CUDA failed in {function}: {reason}; see `yolact-deploy doctor`")
