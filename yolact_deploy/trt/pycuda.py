"""CUDA through PyCUDA, on the primary context, which TensorRT uses too. It has no interface to CUDA graphs."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from ..machine import GpuInfo
from .cuda_backend import Bytes, CudaBackend, DeviceBuffer, Stream, call_failed, no_gpu


class PyCudaBackend(CudaBackend):
    """The backend; `driver` is the module `pycuda.driver`."""

    def __init__(self, driver: Any) -> None:
        super().__init__()
        self._driver = driver
        with self._errors("start"):
            driver.init()
            if driver.Device.count() == 0:
                raise no_gpu("none is listed")
            device = driver.Device(0)
            self.gpu = GpuInfo(device.name(), "{}.{}".format(*device.compute_capability()))
            self._context = device.retain_primary_context()
        self.cuda_version = "{}.{}".format(*driver.get_version())
        self.name = f"PyCUDA, CUDA {self.cuda_version}"

    @contextlib.contextmanager
    def _errors(self, action: str, nbytes: int | None = None) -> Iterator[None]:
        try:
            yield
        except (self._driver.Error, self._driver.MemoryError, self._driver.LogicError) as error:
            raise call_failed(action, str(error), nbytes) from None

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
        return DeviceBuffer(int(allocation), nbytes)

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
            self._driver.memcpy_htod_async(target.address, source, stream.native)

    def copy_to_host(self, target: Bytes, source: DeviceBuffer, stream: Stream) -> None:
        with self._errors("memcpy_dtoh_async"):
            self._driver.memcpy_dtoh_async(target, source.address, stream.native)

    def copy_on_device(self, target: DeviceBuffer, source: DeviceBuffer, stream: Stream) -> None:
        with self._errors("memcpy_dtod_async"):
            self._driver.memcpy_dtod_async(target.address, source.address, source.nbytes, stream.native)
