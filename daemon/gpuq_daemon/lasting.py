"""Checks that cost system calls, made for every job: what they found fine is taken to be fine for a moment."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Generic, ParamSpec

P = ParamSpec("P")
_MOST = 10_000


class Lasting(Generic[P]):
    """A refusal that is asked at most every `for_s` seconds while it has nothing against these arguments.

    What it refuses is asked anew each time: who has mended it need not wait.
    """

    def __init__(
        self, refusal: Callable[P, str | None], *, for_s: float, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._refusal = refusal
        self._for_s = for_s
        self._now = now
        self._fine: dict[object, float] = {}

    def __call__(self, *args: P.args, **named: P.kwargs) -> str | None:
        """Return why not, or None."""
        key = (args, *named.items())
        if self._now() < self._fine.get(key, 0.0):
            return None
        refused = self._refusal(*args, **named)
        if refused is None:
            if len(self._fine) >= _MOST:
                self._fine.clear()
            self._fine[key] = self._now() + self._for_s
        else:
            self._fine.pop(key, None)
        return refused

    def forget(self) -> None:
        """Ask anew from now on: what it goes by has changed."""
        self._fine.clear()
