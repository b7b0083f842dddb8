"""The binding of CUDA that is installed: PyCUDA, or cuda-python where that is missing."""

from __future__ import annotations

import importlib

from ..errors import MissingDependencyError, YolactDeployError
from ..machine import GpuInfo
from .cuda_backend import CudaBackend
from .cuda_python import CudaPythonBackend
from .pycuda import PyCudaBackend

INSTALL_LINE = "pip install cuda-python (on a Jetson the version of its CUDA: 12.6 for JetPack 6, 13 for JetPack 7)"


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
