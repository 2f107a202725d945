"""The one place that reads the clock; everything else is handed one."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Tells the time in Unix seconds."""

    def now(self) -> float:
        """Return the present, in Unix seconds. It may jump, in either direction: somebody sets the clock."""
        ...

    def uptime(self) -> float:
        """Return the seconds since the machine was started, which only grow and never jump; for durations."""
        ...


class WallClock:
    """The machine's own clock."""

    def now(self) -> float:
        """Return the present, in Unix seconds."""
        return time.time()

    def uptime(self) -> float:
        """Return the seconds since the machine was started, the time it slept included."""
        return time.clock_gettime(time.CLOCK_BOOTTIME)
