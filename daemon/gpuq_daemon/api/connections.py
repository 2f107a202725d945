"""Who has how many connections, so that no user takes what all need."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Protocol

_MOST_BODY_BYTES = 64 * 1024 * 1024  # of one user's requests that are not answered yet


class Connection(Protocol):
    """What can be closed while nothing is asked on it."""

    def close_idle(self) -> None:
        """Close it."""
        ...


@dataclass(slots=True)
class _Held:
    count: int = 0
    body_bytes: int = 0
    idle: OrderedDict[Connection, None] = field(default_factory=OrderedDict[Connection, None])


class Connections:
    """Open connections by user (or address). Of a user who has `most`, the one that was idle longest makes room.

    `total` is the most of all users together.
    """

    def __init__(self, most: int, total: int) -> None:
        self._most = most
        self._total = total
        self._count = 0
        self._held: dict[Hashable, _Held] = {}

    def opened(self, key: Hashable, one: Connection) -> bool:
        """Note a new connection, which is idle; False where there is no room for it."""
        held = self._held.setdefault(key, _Held())
        if (held.count >= self._most or self._count >= self._total) and held.idle:
            held.idle.popitem(last=False)[0].close_idle()
        elif held.count >= self._most or self._count >= self._total:
            self._forget_empty(key, held)
            return False
        held.count += 1
        self._count += 1
        held.idle[one] = None
        return True

    def asked(self, key: Hashable, one: Connection) -> None:
        """Note that a request has begun."""
        self._held[key].idle.pop(one, None)

    def answered(self, key: Hashable, one: Connection) -> None:
        """Note that nothing is asked any more."""
        self._held[key].idle[one] = None

    def grown(self, key: Hashable, n_bytes: int) -> bool:
        """Note bytes of a body kept in memory (below zero: kept no more); False if the user has too many of them."""
        held = self._held[key]
        held.body_bytes += n_bytes
        return held.body_bytes <= _MOST_BODY_BYTES

    def closed(self, key: Hashable, one: Connection) -> None:
        """Note that a connection is gone."""
        held = self._held[key]
        held.idle.pop(one, None)
        held.count -= 1
        self._count -= 1
        self._forget_empty(key, held)

    def count(self, key: Hashable) -> int:
        """Return how many connections a user has."""
        held = self._held.get(key)
        return 0 if held is None else held.count

    def _forget_empty(self, key: Hashable, held: _Held) -> None:
        if not held.count:
            self._held.pop(key, None)
