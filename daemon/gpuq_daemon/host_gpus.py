"""What the GPUs of gpuqd's own machine do, those that no job holds too: it is asked only where jobs use them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import asdict

import msgspec

from gpuq_daemon.series.sampled import GpuSample
from gpuq_job.gpu_readings import Nvml
from gpuq_job.strangers import strangers

logger = logging.getLogger(__name__)

_MOST_STRANGERS = 16


class HostGpus:
    """The newest readings, by index."""

    def __init__(self, every_s: Callable[[], float]) -> None:
        self._every_s = every_s
        self.newest: Mapping[str, GpuSample] = {}

    async def run(self) -> None:
        """Read again and again, for ever; not at all where there is no NVML."""
        try:
            nvml = await asyncio.to_thread(Nvml)
        except OSError as error:
            logger.info("the GPUs of this machine are not looked at", extra={"why": str(error)})
            return
        while True:
            try:
                self.newest = await asyncio.to_thread(_read, nvml)
            except Exception:
                logger.exception("the GPUs of this machine could not be read")
            await asyncio.sleep(max(1.0, self._every_s()))


def _read(nvml: Nvml) -> Mapping[str, GpuSample]:
    readings = nvml.all()
    told = [
        {**asdict(reading), "strangers": [asdict(one) for one in strangers(reading)[:_MOST_STRANGERS]]}
        for reading in readings
    ]
    return {gpu.name: gpu for gpu in (msgspec.convert(one, GpuSample) for one in told)}
