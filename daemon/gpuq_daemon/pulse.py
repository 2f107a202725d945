"""The event loop's pulse: how late it wakes, and whether it still does."""

from __future__ import annotations

import asyncio
import logging
import time

from gpuq_daemon.vitals import Ticks, Vitals

logger = logging.getLogger(__name__)

EVERY_S = 0.25
STALL_S = 0.5


class Pulse:
    """Measures the loop's lag four times a second, and says so in the log when it stood still."""

    def __init__(self, vitals: Vitals, ticks: Ticks = time.monotonic) -> None:
        self._vitals = vitals
        self._ticks = ticks

    async def run(self) -> None:
        """Beat for ever."""
        while True:
            due = self._ticks() + EVERY_S
            await asyncio.sleep(EVERY_S)
            self.beat(self._ticks() - due)

    def beat(self, late_s: float) -> None:
        """Count how late the loop was."""
        self._vitals.lag.record(max(0.0, late_s))
        if late_s >= STALL_S:
            logger.warning("the event loop stood still", extra={"seconds": round(late_s, 3)})
