"""Checks that cost system calls, made for every job: what they found fine is taken to be fine for a moment."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import ParamSpec

P = ParamSpec("P")
_MOST = 10_000


def lasting(
    refusal: Callable[P, str | None], *, for_s: float, now: Callable[[], float] = time.monotonic
) -> Callable[P, str | None]:
    """Return `refusal`, asked at most every `for_s` seconds while it has nothing against these arguments.

    What it refuses is asked anew each time: who has mended it need not wait.
    """
    fine: dict[object, float] = {}

    def check(*args: P.args, **named: P.kwargs) -> str | None:
        key = (args, *named.items())
        if now() < fine.get(key, 0.0):
            return None
        refused = refusal(*args, **named)
        if refused is None:
            if len(fine) >= _MOST:
                fine.clear()
            fine[key] = now() + for_s
        else:
            fine.pop(key, None)
        return refused

    return check
