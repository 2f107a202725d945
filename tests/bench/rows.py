"""One measured figure, and the small arithmetic of measuring."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A figure with its unit, and its aim such as "<= 10" or None."""

    name: str
    value: float
    unit: str
    aim: str | None = None

    @property
    def is_met(self) -> bool | None:
        """Whether the aim is met, None without one."""
        if self.aim is None:
            return None
        sign, number = self.aim.split()
        return self.value <= float(number) if sign == "<=" else self.value >= float(number)


def quantile(values: Sequence[float], q: float) -> float:
    """Return the smallest value that at least a share `q` of them does not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, round(q * len(ordered)) - 1))]


def times_ms(run: Callable[[], object], count: int) -> list[float]:
    """Return how long each of `count` runs took."""
    taken: list[float] = []
    for _ in range(count):
        before = time.perf_counter()
        run()
        taken.append((time.perf_counter() - before) * 1000)
    return taken


def rss_mib(pid: int) -> float:
    """Return the memory that a process has in RAM. Source: proc(5) VmRSS."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


def cpu_s(pid: int) -> float:
    """Return the CPU time that a process has used. Source: proc(5) stat, utime and stime in ticks of 10 ms."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100
