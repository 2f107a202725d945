"""One who waits for events: woken for what it wants, without a queue of its own."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from gpuq_daemon.feed.ring import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class Wants:
    """Which events a stream is for: of some jobs only, of one user's jobs only; else of everything."""

    job_ids: frozenset[int] = frozenset()
    user: str | None = None

    @property
    def is_everything(self) -> bool:
        """Whether nothing is left out."""
        return not self.job_ids and self.user is None

    def fits(self, event: Event) -> bool:
        """Return whether the event belongs into the stream. What is no job's is in none that is about jobs."""
        if self.job_ids:
            return event.job_id in self.job_ids
        return self.user is None or event.user == self.user or event.job_id is None


class Listener:
    """Sleeps until something it wants has happened, or it is time for a sign of life."""

    __slots__ = ("_future", "_is_woken", "seen", "wants")

    def __init__(self, wants: Wants) -> None:
        self.wants = wants
        self.seen = 0
        self._future: asyncio.Future[None] | None = None
        self._is_woken = False

    def wake(self) -> None:
        """Wake it, now or as soon as it wants to sleep."""
        self._is_woken = True
        if self._future is not None and not self._future.done():
            self._future.set_result(None)

    def wake_if_behind(self, newest: int) -> None:
        """Wake one that listens to more than single jobs if it has not seen everything."""
        if not self.wants.job_ids and self.seen < newest:
            self.wake()

    async def sleep(self, at_most_s: float) -> bool:
        """Return True once woken, False after so many seconds."""
        loop = asyncio.get_running_loop()
        if not self._is_woken:
            self._future = future = loop.create_future()
            timer = loop.call_later(at_most_s, _settle, future)
            try:
                await future
            finally:
                timer.cancel()
                self._future = None
        woken, self._is_woken = self._is_woken, False
        return woken


def _settle(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
