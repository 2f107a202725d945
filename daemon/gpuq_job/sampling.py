"""Looks again and again at what a rank uses: its GPUs where it has some, CPU and memory of its processes always.

A thread of the rank that sleeps nearly all the time. NVML answers in well under a millisecond and lets Python go on
meanwhile; whatever goes wrong here ends the looking, never the training.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

from gpuq_job import process_tree
from gpuq_job.gpu_readings import GpuReading, Nvml
from gpuq_job.steps import StepTimes, watch_steps
from gpuq_job.strangers import strangers

_IDLE_GPU = 5.0
_IDLE_CPU = 5.0
"""Below so many per cent, of a GPU or of one core, nothing is done."""
_MOST_GPUS = 16
_MOST_STRANGERS = 8
Sample = dict[str, Any]


class Sampler:
    """What a rank uses, look by look."""

    def __init__(
        self, gpus: list[str], times: StepTimes, *, nvml: Nvml | None, now: Callable[[], float], pid: int | None = None
    ) -> None:
        """`gpus` are the rank's, by index or UUID; without `nvml` they are not looked at."""
        self._gpus = gpus
        self._times = times
        self._nvml = nvml
        self._now = now
        self._pid = os.getpid() if pid is None else pid
        self._before = process_tree.usage(self._pid)
        self._looked_at = self._busy_at = now()

    def look(self) -> Sample:
        """Return what is used now; rates are since the last look.

        `idle_s`: for how long neither the GPUs, nor without them the processes, have done anything.
        """
        now, used = self._now(), process_tree.usage(self._pid)
        passed_s = max(now - self._looked_at, 1e-3)
        cpu = max(0.0, 100 * (used.cpu_s - self._before.cpu_s) / passed_s)
        readings = [] if self._nvml is None else self._nvml.of_names(self._gpus)
        if _is_busy(cpu, readings):
            self._busy_at = now
        self._before, self._looked_at = used, now
        return {
            "cpu": round(cpu, 1),
            "memory_mib": round(used.memory_mib, 1),
            "idle_s": round(now - self._busy_at, 1),
            "gpus": [_told(reading, used.pids) for reading in readings],
            "steps": self._times.take(),
        }


@contextmanager
def sampled(every_s: float, tell: Callable[[Sample], object]) -> Generator[None]:
    """Tell every so many seconds what this process uses while the block runs in this thread; with 0 nothing is told."""
    if every_s <= 0:
        yield
        return
    times, is_over = StepTimes(), threading.Event()
    watch_steps(times)
    looking = threading.Thread(target=_look_on, args=(every_s, times, tell, is_over), name="sampling", daemon=True)
    looking.start()
    try:
        yield
    finally:
        is_over.set()


def _look_on(every_s: float, times: StepTimes, tell: Callable[[Sample], object], is_over: threading.Event) -> None:
    gpus = [word for word in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if word]
    try:
        nvml = Nvml() if gpus else None
    except OSError:
        nvml = None  # virtual GPUs, or an image without the library: CPU and memory are told
    try:
        sampler = Sampler(gpus[:_MOST_GPUS], times, nvml=nvml, now=time.monotonic)
        while not is_over.wait(every_s):
            tell(sampler.look())
    except Exception as error:  # the training must not fail by being looked at
        print(f"gpuq: what this rank uses is told no more: {error}", flush=True)


def _is_busy(cpu: float, readings: list[GpuReading]) -> bool:
    known = [reading.util for reading in readings if reading.util is not None]
    return any(util >= _IDLE_GPU for util in known) if known else cpu >= _IDLE_CPU


def _told(reading: GpuReading, ours: frozenset[int]) -> Sample:
    """Return what is told of a GPU: of its processes those that are nobody's we know."""
    told = asdict(reading)
    del told["processes"]
    nobodys = strangers(reading, ours)[:_MOST_STRANGERS]
    return {**told, "throttled": list(reading.throttled), "strangers": [asdict(one) for one in nobodys]}
