"""What NVML tells of GPUs. Every question is asked for itself: what a GPU or a driver does not know is None.

Source: NVIDIA, "NVML API Reference Guide".
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

_MIB = 1024 * 1024
_MOST_PROCESSES = 64
_THROTTLES = {
    "nvmlClocksEventReasonHwSlowdown": "hardware slowdown",
    "nvmlClocksEventReasonHwThermalSlowdown": "too hot (hardware)",
    "nvmlClocksEventReasonSwThermalSlowdown": "too hot",
    "nvmlClocksEventReasonHwPowerBrakeSlowdown": "power brake",
}
"""Reasons that are a fault. A busy GPU that keeps to its power limit is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuProcess:
    """A process that has a context on a GPU, by the number that it has on the host."""

    pid: int
    memory_mib: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuReading:
    """One GPU at one moment. `util` is the share of the last second in per cent in which it computed at all."""

    uuid: str
    index: int | None
    model: str | None
    util: float | None
    memory_mib: float | None
    memory_total_mib: float | None
    power_w: float | None
    temperature_c: float | None
    throttled: tuple[str, ...]
    processes: tuple[GpuProcess, ...]


class Nvml:
    """The GPUs of this machine, or of what a container has of it."""

    def __init__(self) -> None:
        """Raises:
        OSError: there is no NVML here, in a sentence.
        """
        try:
            self._nvml: Any = importlib.import_module("pynvml")
        except ImportError as error:
            raise OSError("nvidia-ml-py is not installed") from error
        try:
            self._nvml.nvmlInit()
        except self._nvml.NVMLError as error:
            raise OSError(f"NVML: {error}") from error

    def of_names(self, names: Sequence[str]) -> list[GpuReading]:
        """Return readings of GPUs by their indexes or UUIDs, as CUDA_VISIBLE_DEVICES has them."""
        return [self._reading(handle) for name in names if (handle := self._handle(name)) is not None]

    def all(self) -> list[GpuReading]:
        """Return readings of all GPUs, by index."""
        count = self._asked(self._nvml.nvmlDeviceGetCount) or 0
        return self.of_names([str(index) for index in range(count)])

    def _handle(self, name: str) -> Any:
        if name.isdecimal():
            return self._asked(self._nvml.nvmlDeviceGetHandleByIndex, int(name))
        return self._asked(self._nvml.nvmlDeviceGetHandleByUUID, name) if name.startswith(("GPU-", "MIG-")) else None

    def _reading(self, handle: Any) -> GpuReading:
        nvml = self._nvml
        memory = self._asked(nvml.nvmlDeviceGetMemoryInfo, handle)
        util = self._asked(nvml.nvmlDeviceGetUtilizationRates, handle)
        power_mw = self._asked(nvml.nvmlDeviceGetPowerUsage, handle)
        return GpuReading(
            uuid=str(self._asked(nvml.nvmlDeviceGetUUID, handle)),
            index=self._asked(nvml.nvmlDeviceGetIndex, handle),
            model=self._asked(nvml.nvmlDeviceGetName, handle),
            util=None if util is None else float(util.gpu),
            memory_mib=None if memory is None else memory.used / _MIB,
            memory_total_mib=None if memory is None else memory.total / _MIB,
            power_w=None if power_mw is None else power_mw / 1000,
            temperature_c=self._asked(nvml.nvmlDeviceGetTemperature, handle, nvml.NVML_TEMPERATURE_GPU),
            throttled=self._throttles(handle),
            processes=self._processes(handle),
        )

    def _throttles(self, handle: Any) -> tuple[str, ...]:
        reasons = self._asked(self._nvml.nvmlDeviceGetCurrentClocksEventReasons, handle)
        if reasons is None:  # drivers before 535 know it by another name
            reasons = self._asked(self._nvml.nvmlDeviceGetCurrentClocksThrottleReasons, handle) or 0
        return tuple(word for name, word in _THROTTLES.items() if reasons & getattr(self._nvml, name))

    def _processes(self, handle: Any) -> tuple[GpuProcess, ...]:
        found: list[Any] = self._asked(self._nvml.nvmlDeviceGetComputeRunningProcesses, handle) or []
        return tuple(
            GpuProcess(pid=one.pid, memory_mib=None if one.usedGpuMemory is None else one.usedGpuMemory / _MIB)
            for one in found[:_MOST_PROCESSES]
        )

    def _asked(self, question: Callable[..., Any], *words: Any) -> Any:
        try:
            return question(*words)
        except self._nvml.NVMLError:
            return None
