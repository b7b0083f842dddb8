"""A stand-in for the module pynvml of nvidia-ml-py: the functions that the project calls, for GPUs made of dicts.

`tests/telemetry/test_nvml.py` checks that the real module has each of them, with the same parameters.
"""

from __future__ import annotations

import types
from typing import Any


class NVMLError(Exception):
    def __init__(self, value: int) -> None:
        super().__init__(f"NVML error {value}")
        self.value = value


class FakeNvml:
    """Behaves as the module does; a value that is missing from a GPU's dict is not supported by it."""

    NVMLError = NVMLError
    NVML_ERROR_NOT_SUPPORTED = 3
    NVML_ERROR_NOT_FOUND = 6
    NVML_ERROR_LIBRARY_NOT_FOUND = 12
    NVML_ERROR_FUNCTION_NOT_FOUND = 13
    NVML_ERROR_GPU_IS_LOST = 15
    NVML_TEMPERATURE_GPU = 0
    NVML_CLOCK_SM = 1
    nvmlClocksEventReasonGpuIdle = 0x1  # noqa: N815
    nvmlClocksEventReasonApplicationsClocksSetting = 0x2  # noqa: N815
    nvmlClocksEventReasonSwPowerCap = 0x4  # noqa: N815
    nvmlClocksEventReasonHwSlowdown = 0x8  # noqa: N815
    nvmlClocksEventReasonSwThermalSlowdown = 0x20  # noqa: N815
    nvmlClocksEventReasonHwThermalSlowdown = 0x40  # noqa: N815
    nvmlClocksEventReasonHwPowerBrakeSlowdown = 0x80  # noqa: N815

    def __init__(self, *gpus: dict[str, Any], driver: bool = True) -> None:
        self.gpus = list(gpus)
        self.driver = driver
        self.opened = 0
        self.calls: list[str] = []

    def nvmlInit(self) -> None:  # noqa: N802
        if not self.driver:
            raise NVMLError(self.NVML_ERROR_LIBRARY_NOT_FOUND)
        self.opened += 1

    def nvmlShutdown(self) -> None:  # noqa: N802
        self.opened -= 1

    def nvmlDeviceGetCount(self) -> int:  # noqa: N802
        return len(self.gpus)

    def nvmlDeviceGetHandleByIndex(self, index: int) -> dict[str, Any]:  # noqa: N802
        if not 0 <= index < len(self.gpus):
            raise NVMLError(self.NVML_ERROR_NOT_FOUND)
        return self.gpus[index]

    def _answer(self, handle: dict[str, Any], name: str) -> Any:
        self.calls.append(name)
        if name not in handle:
            raise NVMLError(self.NVML_ERROR_NOT_SUPPORTED)
        if isinstance(handle[name], Exception):
            raise handle[name]
        return handle[name]

    def nvmlDeviceGetName(self, handle: dict[str, Any]) -> Any:  # noqa: N802
        return self._answer(handle, "name")

    def nvmlDeviceGetUUID(self, handle: dict[str, Any]) -> Any:  # noqa: N802
        return self._answer(handle, "uuid")

    def nvmlDeviceGetPowerUsage(self, handle: dict[str, Any]) -> Any:  # noqa: N802
        return self._answer(handle, "milliwatts")

    def nvmlDeviceGetTotalEnergyConsumption(self, handle: dict[str, Any]) -> Any:  # noqa: N802
        return self._answer(handle, "millijoules")

    def nvmlDeviceGetEnforcedPowerLimit(self, handle: dict[str, Any]) -> Any:  # noqa: N802
        return self._answer(handle, "limit")

    def nvmlDeviceGetTemperature(self, handle: dict[str, Any], sensor: int) -> Any:  # noqa: N802
        assert sensor == self.NVML_TEMPERATURE_GPU
        return self._answer(handle, "celsius")

    def nvmlDeviceGetClockInfo(self, handle: dict[str, Any], type: int) -> Any:  # noqa: N802
        assert type == self.NVML_CLOCK_SM
        return self._answer(handle, "mhz")

    def nvmlDeviceGetMaxClockInfo(self, handle: dict[str, Any], type: int) -> Any:  # noqa: N802
        assert type == self.NVML_CLOCK_SM
        return self._answer(handle, "max_mhz")

    def nvmlDeviceGetUtilizationRates(self, handle: dict[str, Any]) -> Any:  # noqa: N802
        return types.SimpleNamespace(gpu=self._answer(handle, "percent"), memory=0)

    def nvmlDeviceGetCurrentClocksEventReasons(self, handle: dict[str, Any]) -> Any:  # noqa: N802
        return self._answer(handle, "reasons")

    def nvmlDeviceGetCurrentClocksThrottleReasons(self, handle: dict[str, Any]) -> Any:  # noqa: N802
        return self._answer(handle, "old_reasons")


def gpu(**changes: Any) -> dict[str, Any]:
    """A GPU that supports everything; None for a value takes it away."""
    values = {
        "name": "NVIDIA H200",
        "uuid": "GPU-8932f937-d72c-4106-c12f-20bd9faed9f6",
        "milliwatts": 412350,
        "millijoules": 9_000_000,
        "limit": 700_000,
        "celsius": 61,
        "mhz": 1755,
        "max_mhz": 1980,
        "percent": 96,
        "reasons": 0,
        "old_reasons": 0,
        **changes,
    }
    return {key: value for key, value in values.items() if value is not None}
