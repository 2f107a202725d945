"""The one place that reads the clock; everything else is handed one."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Tells the time in Unix seconds."""

    def now(self) -> float:
        """Return the present, in Unix seconds."""
        ...


class WallClock:
    """The machine's own clock."""

    def now(self) -> float:
        """Return the present, in Unix seconds."""
        return time.time()
