"""The two bindings of CUDA behind one interface, and the names that they are called by."""

from __future__ import annotations

import inspect
import re
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.cuda_stand_in import fake_cuda_python
from tests.gpu_stand_in import FakeGpu
from tests.pycuda_stand_in import fake_pycuda
from yolact_deploy.errors import YolactDeployError
from yolact_deploy.machine import GpuInfo
from yolact_deploy.trt import cuda_python
from yolact_deploy.trt.cuda import find_gpu, open_backend
from yolact_deploy.trt.cuda_backend import CudaBackend
from yolact_deploy.trt.cuda_python import CudaPythonBackend
from yolact_deploy.trt.pycuda import PyCudaBackend

BACKENDS = {
    "cuda-python": lambda gpu: CudaPythonBackend(fake_cuda_python(gpu)),
    "pycuda": lambda gpu: PyCudaBackend(fake_pycuda(gpu)),
}


@pytest.fixture(params=BACKENDS)
def pair(request: pytest.FixtureRequest) -> tuple[FakeGpu, CudaBackend]:
    gpu = FakeGpu()
    return gpu, BACKENDS[request.param](gpu)


def test_bytes_go_there_and_back(pair: tuple[FakeGpu, CudaBackend]) -> None:
    gpu, backend = pair
    assert backend.gpu == GpuInfo("Orin", "8.7")
    assert backend.cuda_version == "13.2"
    with backend.current():
        stream, device = backend.create_stream(), backend.allocate(8)
        source, target = backend.allocate_pinned(8), backend.allocate_pinned(8)
        start, end = backend.create_event(), backend.create_event()
        source[:] = np.arange(8)
        backend.record(start, stream)
        backend.copy_to_device(device, source, stream)
        backend.copy_to_host(target, device, stream)
        backend.record(end, stream)
        backend.synchronize(stream)
        assert backend.elapsed_ms(start, end) == 1.0
        np.testing.assert_array_equal(target, np.arange(8))
        other = backend.allocate(8)
        backend.copy_on_device(other, device, stream)
        target[:] = 0
        backend.copy_to_host(target, other, stream)
        backend.synchronize(stream)
        np.testing.assert_array_equal(target, np.arange(8))
    backend.close()
    backend.close()
    del stream, start, end
    assert gpu.live == {}


def test_errors_are_one_line(pair: tuple[FakeGpu, CudaBackend]) -> None:
    gpu, backend = pair
    gpu.memory_limit = 1 << 20
    with backend.current():
        with pytest.raises(YolactDeployError, match=r"out of GPU memory: 2\.0 MiB more were asked for"):
            backend.allocate(1 << 21)
        gpu.fails |= {"cudaMallocHost", "pagelocked_empty"}
        with pytest.raises(YolactDeployError, match=r"CUDA failed in \w+: something broke; see `yolact-deploy doctor`"):
            backend.allocate_pinned(8)
    backend.close()


def test_pycuda_is_preferred(monkeypatch: pytest.MonkeyPatch) -> None:
    gpu = FakeGpu()
    monkeypatch.setitem(sys.modules, "pycuda.driver", fake_pycuda(gpu))
    monkeypatch.setitem(sys.modules, "cuda.bindings.runtime", fake_cuda_python(gpu))
    assert isinstance(open_backend(), PyCudaBackend)
    monkeypatch.setitem(sys.modules, "pycuda.driver", None)
    assert isinstance(open_backend(), CudaPythonBackend)
    assert find_gpu() == GpuInfo("Orin", "8.7")


def test_no_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    gpu = FakeGpu()
    gpu.fails.add("cudaGetDeviceCount")
    monkeypatch.setitem(sys.modules, "pycuda.driver", None)
    monkeypatch.setitem(sys.modules, "cuda.bindings.runtime", fake_cuda_python(gpu))
    with pytest.raises(YolactDeployError, match="needs an NVIDIA GPU and its driver here"):
        open_backend()
    assert find_gpu() is None


def test_every_name_is_of_the_real_cuda_python() -> None:
    runtime = pytest.importorskip("cuda.bindings.runtime", reason="cuda-python is not installed")
    source = Path(cuda_python.__file__).read_text()
    calls = re.findall(r'_call(?:back\(self\._call)?[(,] ?"(cuda\w+)"((?:, [\w.]+)*)', source)
    assert len({name for name, _ in calls}) > 15
    for name, arguments in calls:
        documented = inspect.getdoc(getattr(runtime, name))
        assert documented is not None
        expected = re.match(rf"{name}\(([^)]*)\)", documented)
        assert expected is not None, documented
        wanted = len([word for word in expected[1].split(",") if word.strip()])
        assert arguments.count(", ") == wanted, f"{name}{arguments} for {expected[0]}"
    for path in re.findall(r"self\._runtime\.(cuda[\w.]+)", source):
        value = runtime
        for part in path.split("."):
            value = getattr(value, part)


def test_the_real_cuda_python_says_what_is_missing() -> None:
    runtime = pytest.importorskip("cuda.bindings.runtime", reason="cuda-python is not installed")
    try:
        backend = CudaPythonBackend(runtime)
    except YolactDeployError as error:
        assert "needs an NVIDIA GPU and its driver here" in str(error)  # noqa: PT017
    else:
        backend.close()
