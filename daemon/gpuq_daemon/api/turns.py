"""Long questions about the past, one at a time: many side by side would leave gpuqd itself neither CPU nor threads."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import TypeVar

from gpuq.errors import UnavailableError, UsageError

T = TypeVar("T")
_MOST = 4
MOST_ROWS = 50_000
"""So many rows are in an answer at most: more take the event loop too long to write."""


class Turns:
    """Lets one question be answered at a time, in a thread; of one user so many are answered or wait at most."""

    def __init__(self, most: int = _MOST) -> None:
        self._most = most
        self._free = asyncio.Semaphore()
        self._asked = Counter[str]()

    async def take(self, user: str, ask: Callable[[], T]) -> T:
        """Return what `ask` returns, once it is its turn.

        Raises:
            UnavailableError: as many questions of the user's are under way as may be.
        """
        if self._asked[user] >= self._most:
            raise UnavailableError(f"{self._most} reports are made for {user} already: ask again once they have come.")
        self._asked[user] += 1
        try:
            async with self._free:
                return await asyncio.to_thread(ask)
        finally:
            self._asked[user] -= 1
            if not self._asked[user]:
                del self._asked[user]


def refuse_more(rows: int, what: str, most: int = MOST_ROWS) -> None:
    """Refuse an answer of too many rows.

    Raises:
        UsageError: it is one; `what` says how to ask for less.
    """
    if rows > most:
        raise UsageError(f"That would be more than {most} rows: {what}.")
