"""NVML: what a GPU says, what it does not support, and that the stand-in has the real module's names."""

from __future__ import annotations

import inspect
import sys
import time
from typing import Any

import pytest

from tests.nvml_stand_in import FakeNvml, NVMLError, gpu
from yolact_deploy.telemetry import nvml as nvml_module
from yolact_deploy.telemetry.nvml import REASONS, NvmlSource, open_nvml


@pytest.fixture(autouse=True)
def no_choice_of_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.delenv("CUDA_DEVICE_ORDER", raising=False)


def install(monkeypatch: pytest.MonkeyPatch, fake: FakeNvml | None) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", fake)


def test_what_a_gpu_tells() -> None:
    source = NvmlSource(FakeNvml(gpu(reasons=0x4 | 0x20)))
    before = time.monotonic()
    reading = source.read()
    assert before <= reading.seconds <= time.monotonic()
    assert (reading.watts, reading.joules) == (pytest.approx(412.35), pytest.approx(9000))
    assert (reading.celsius, reading.mhz, reading.utilisation) == (61, 1755, 0.96)
    assert reading.throttling == ("power limit", "thermal slowdown by the driver")
    assert (source.facts.max_mhz, source.facts.power_mode) == (1980, "power limit 700 W")
    assert (source.facts.name, source.facts.tool) == ("NVIDIA H200", "NVML")


@pytest.mark.parametrize("reasons", [0x0, 0x1, 0x2, 0x1 | 0x2 | 0x100])
def test_an_idle_gpu_and_clocks_that_the_user_set_are_no_throttling(reasons: int) -> None:
    assert NvmlSource(FakeNvml(gpu(reasons=reasons))).read().throttling == ()


@pytest.mark.parametrize("name", REASONS)
def test_every_reason(name: str) -> None:
    bit = getattr(FakeNvml, f"nvmlClocksEventReason{name}")
    assert NvmlSource(FakeNvml(gpu(reasons=bit))).read().throttling == (REASONS[name],)


def test_a_driver_of_before_the_reasons_were_renamed() -> None:
    assert NvmlSource(FakeNvml(gpu(reasons=None, old_reasons=0x40))).read().throttling == (
        "thermal slowdown by the hardware",
    )


def test_what_a_gpu_does_not_support_is_not_said_and_not_asked_again() -> None:
    fake = FakeNvml(gpu(millijoules=None, percent=None, limit=None, name=b"Old GPU"))
    source = NvmlSource(fake)
    first, second = source.read(), source.read()
    assert (first.joules, first.utilisation, first.watts) == (None, None, pytest.approx(412.35))
    assert second.watts is not None
    assert fake.calls.count("millijoules") == 1
    assert fake.calls.count("milliwatts") == 2
    assert (source.facts.power_mode, source.facts.name) == (None, "Old GPU")


def test_a_gpu_that_supports_nothing() -> None:
    assert NvmlSource(FakeNvml({})).read().is_empty


def test_a_passing_fault_is_asked_again() -> None:
    handle = gpu(celsius=NVMLError(FakeNvml.NVML_ERROR_GPU_IS_LOST))
    source = NvmlSource(FakeNvml(handle))
    assert source.read().celsius is None
    handle["celsius"] = 50
    assert source.read().celsius == 50


def test_an_older_binding_without_a_function(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(FakeNvml, "nvmlDeviceGetTotalEnergyConsumption")
    assert NvmlSource(FakeNvml(gpu())).read().joules is None


def test_closing_twice_shuts_down_once() -> None:
    fake = FakeNvml(gpu())
    source = NvmlSource(fake)
    assert fake.opened == 1
    source.close()
    source.close()
    assert fake.opened == 0


@pytest.mark.parametrize("fake", [None, FakeNvml(gpu(), driver=False), FakeNvml()])
def test_without_binding_driver_or_gpu(monkeypatch: pytest.MonkeyPatch, fake: FakeNvml | None) -> None:
    install(monkeypatch, fake)
    assert open_nvml() is None
    assert fake is None or fake.opened == 0


@pytest.mark.parametrize(
    ("environment", "name", "notes"),
    [
        ({}, "A", 1),
        ({"CUDA_DEVICE_ORDER": "PCI_BUS_ID"}, "A", 0),
        ({"CUDA_VISIBLE_DEVICES": "1,0"}, "B", 1),
        ({"CUDA_VISIBLE_DEVICES": "1", "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}, "B", 0),
        ({"CUDA_VISIBLE_DEVICES": "GPU-bb"}, "B", 0),
        ({"CUDA_VISIBLE_DEVICES": ""}, None, 0),
        ({"CUDA_VISIBLE_DEVICES": "-1"}, None, 0),
        ({"CUDA_VISIBLE_DEVICES": "7"}, None, 0),
        ({"CUDA_VISIBLE_DEVICES": "GPU-cc"}, None, 0),
        ({"CUDA_VISIBLE_DEVICES": "MIG-8932f937"}, None, 0),
    ],
)
def test_which_of_two_gpus(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], name: str | None, notes: int
) -> None:
    for key, value in environment.items():
        monkeypatch.setenv(key, value)
    fake = FakeNvml(gpu(name="A", uuid="GPU-aa11"), gpu(name="B", uuid=b"GPU-bb22"))
    install(monkeypatch, fake)
    source = open_nvml()
    if name is None:
        assert source is None
        assert fake.opened == 0
        return
    assert source is not None
    assert source.facts.name == name
    assert len(source.facts.notes) == notes


def test_the_real_binding_has_what_the_stand_in_has() -> None:
    real: Any = pytest.importorskip("pynvml")
    for name, member in vars(FakeNvml).items():
        if name.startswith("nvml") and inspect.isfunction(member):
            wanted = list(inspect.signature(member).parameters)[1:]  # without self
            assert list(inspect.signature(getattr(real, name)).parameters)[: len(wanted)] == wanted, name
        elif name.startswith(("NVML_", "nvmlClocks")):
            assert getattr(real, name) == member, name
    assert issubclass(real.NVMLError, Exception)
    assert real.NVMLError(real.NVML_ERROR_NOT_SUPPORTED).value == real.NVML_ERROR_NOT_SUPPORTED


def test_the_source_calls_only_what_the_stand_in_has() -> None:
    """So that the test above is about every name."""
    text = inspect.getsource(nvml_module)
    called = {word.strip("\"'(),") for word in text.replace(".", " ").replace("(", " ").split() if "nvmlDevice" in word}
    assert called
    assert all(hasattr(FakeNvml, name) for name in called), called


def test_the_real_binding_without_a_driver_is_harmless() -> None:
    real: Any = pytest.importorskip("pynvml")
    try:
        real.nvmlInit()
    except real.NVMLError:
        assert open_nvml() is None
    else:
        real.nvmlShutdown()
        pytest.skip("there is a driver here")
