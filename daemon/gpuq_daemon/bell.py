"""Rings when something changed; whoever waits looks again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence


class Bell:
    """Wakes everyone who waits, as often as it is rung. Silent for ever once closed."""

    def __init__(self, heard: Callable[[Sequence[int]], None] = lambda _: None) -> None:
        """`heard` is told at each ring which jobs have changed."""
        self._heard = heard
        self._waiting: asyncio.Event = asyncio.Event()
        self.is_closed = False

    def ring(self, *job_ids: int) -> None:
        """Wake everyone who waits now: these jobs have changed, come or gone."""
        self._heard(job_ids)
        waiting, self._waiting = self._waiting, asyncio.Event()
        waiting.set()

    def close(self) -> None:
        """Wake everyone and let nobody wait again."""
        self.is_closed = True
        self.ring()

    async def wait(self, timeout_s: float) -> bool:
        """Return True when it rings, False after `timeout_s` or once it is closed."""
        if self.is_closed:
            return False
        try:
            await asyncio.wait_for(self._waiting.wait(), timeout_s)
        except TimeoutError:
            return False
        return not self.is_closed
