"""A machine with a GPU, TensorRT 11.4 and a binding of CUDA, all of them stand-ins."""

from __future__ import annotations

import contextlib
import gc
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cuda_stand_in import fake_cuda_python
from tests.gpu_stand_in import FakeGpu
from tests.pycuda_stand_in import fake_pycuda
from tests.tensorrt_stand_in import fake_tensorrt

BINDINGS = ("cuda-python", "pycuda")


@contextlib.contextmanager
def machine_with_gpu(monkeypatch: pytest.MonkeyPatch, cache: Path, binding: str) -> Iterator[FakeGpu]:
    """Its GPU, on which nothing is alive any more afterwards. cache: the user's cache folder."""
    gpu = FakeGpu()
    is_pycuda = binding == "pycuda"
    monkeypatch.setitem(sys.modules, "pycuda.driver", fake_pycuda(gpu) if is_pycuda else None)
    monkeypatch.setitem(sys.modules, "cuda.bindings.runtime", None if is_pycuda else fake_cuda_python(gpu))
    monkeypatch.setitem(sys.modules, "tensorrt", fake_tensorrt(gpu))
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    yield gpu
    gc.collect()
    assert gpu.live == {}
