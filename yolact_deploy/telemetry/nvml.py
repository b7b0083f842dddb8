"""Desktop and server GPUs through NVML, by NVIDIA's own binding (nvidia-ml-py, module pynvml)."""

from __future__ import annotations

import importlib
import os
import time
from typing import Any

from .reading import Reading, SourceFacts

REASONS = {  # suffix of NVML's constant -> in words; what the user or an idle GPU asked for is no throttling
    "SwPowerCap": "power limit",
    "HwSlowdown": "hardware slowdown",
    "SwThermalSlowdown": "thermal slowdown by the driver",
    "HwThermalSlowdown": "thermal slowdown by the hardware",
    "HwPowerBrakeSlowdown": "power brake from outside",
}
# NVML renamed "throttle reasons" to "event reasons"; old drivers and bindings have only the first names.
_REASON_FUNCTIONS = ("nvmlDeviceGetCurrentClocksEventReasons", "nvmlDeviceGetCurrentClocksThrottleReasons")
_REASON_PREFIXES = ("nvmlClocksEventReason", "nvmlClocksThrottleReason")
_MILLI = 1e-3


class NvmlSource:
    """The GPU that CUDA uses first. Nothing here raises once it is open: what a GPU does not support is not said."""

    def __init__(self, nvml: Any) -> None:
        """nvml: the module pynvml. Raises its NVMLError when there is no driver, or no GPU for this process."""
        self._nvml = nvml
        nvml.nvmlInit()
        try:
            self._handle, notes = _find_gpu(nvml, os.environ)
        except BaseException:
            nvml.nvmlShutdown()
            raise
        self._refused: set[str] = set()  # functions that this GPU or driver does not support
        limit = self._ask("nvmlDeviceGetEnforcedPowerLimit")
        self.facts = SourceFacts(
            name=_text(self._ask("nvmlDeviceGetName")) or "NVIDIA GPU",
            tool="NVML",
            is_gpu=True,
            power_of="the GPU's board",
            max_mhz=self._ask("nvmlDeviceGetMaxClockInfo", nvml.NVML_CLOCK_SM),
            power_mode=None if limit is None else f"power limit {limit * _MILLI:.0f} W",
            notes=notes,
        )
        self._bits = _reason_bits(nvml)
        self._is_open = True

    def read(self) -> Reading:
        """See `Source`."""
        now = time.monotonic()
        milliwatts = self._ask("nvmlDeviceGetPowerUsage")
        millijoules = self._ask("nvmlDeviceGetTotalEnergyConsumption")
        rates = self._ask("nvmlDeviceGetUtilizationRates")
        return Reading(
            seconds=now,
            watts=None if milliwatts is None else milliwatts * _MILLI,
            joules=None if millijoules is None else millijoules * _MILLI,
            celsius=self._ask("nvmlDeviceGetTemperature", self._nvml.NVML_TEMPERATURE_GPU),
            mhz=self._ask("nvmlDeviceGetClockInfo", self._nvml.NVML_CLOCK_SM),
            utilisation=None if rates is None else rates.gpu / 100,
            throttling=self._throttling(),
        )

    def close(self) -> None:
        """See `Source`."""
        if self._is_open:
            self._is_open = False
            self._nvml.nvmlShutdown()

    def _throttling(self) -> tuple[str, ...] | None:
        for function in _REASON_FUNCTIONS:
            mask = self._ask(function)
            if mask is not None:
                return reasons_of(mask, self._bits)
        return None

    def _ask(self, function: str, *arguments: Any) -> Any:
        """What NVML answers about the GPU; None when it does not."""
        if function in self._refused:
            return None
        try:
            return getattr(self._nvml, function)(self._handle, *arguments)
        except AttributeError:  # an older binding
            self._refused.add(function)
        except self._nvml.NVMLError as error:
            if error.value in (self._nvml.NVML_ERROR_NOT_SUPPORTED, self._nvml.NVML_ERROR_FUNCTION_NOT_FOUND):
                self._refused.add(function)
        return None


def open_nvml() -> NvmlSource | None:
    """None where the binding, the driver or the GPU is missing: that is ordinary."""
    try:
        nvml: Any = importlib.import_module("pynvml")
    except ImportError:
        return None
    try:
        return NvmlSource(nvml)
    except (nvml.NVMLError, OSError):
        return None


def reasons_of(mask: int, bits: dict[str, int]) -> tuple[str, ...]:
    """The reasons in NVML's bit mask, in words."""
    return tuple(REASONS[name] for name, bit in bits.items() if mask & bit)


def _reason_bits(nvml: Any) -> dict[str, int]:
    found = {}
    for name in REASONS:
        values = (getattr(nvml, prefix + name, None) for prefix in _REASON_PREFIXES)
        found[name] = next((value for value in values if value is not None), 0)
    return found


def _find_gpu(nvml: Any, environment: Any) -> tuple[Any, tuple[str, ...]]:
    """The handle of CUDA's first GPU, and a note when it may be another one: CUDA can count in another order."""
    visible = environment.get("CUDA_VISIBLE_DEVICES")
    first = None if visible is None else visible.partition(",")[0].strip()
    count = nvml.nvmlDeviceGetCount()
    if first is not None and first.startswith("GPU-"):
        handles = [nvml.nvmlDeviceGetHandleByIndex(index) for index in range(count)]
        matching = [handle for handle in handles if str(_text(nvml.nvmlDeviceGetUUID(handle))).startswith(first)]
        if not matching:
            raise nvml.NVMLError(nvml.NVML_ERROR_NOT_FOUND)
        return matching[0], ()
    if first is not None and not first.isdecimal():  # none for this process, or a part of one (MIG)
        raise nvml.NVMLError(nvml.NVML_ERROR_NOT_FOUND)
    index = int(first or 0)
    handle = nvml.nvmlDeviceGetHandleByIndex(index)
    if count == 1 or environment.get("CUDA_DEVICE_ORDER") == "PCI_BUS_ID":
        return handle, ()
    note = (
        f"of {count} GPUs, number {index} as nvidia-smi counts was watched; CUDA may count otherwise unless "
        "CUDA_DEVICE_ORDER=PCI_BUS_ID is set"
    )
    return handle, (note,)


def _text(value: Any) -> str | None:
    """Old bindings give bytes."""
    return value.decode(errors="replace") if isinstance(value, bytes) else value
