"""Users and their Unix groups, as this machine knows them; kept for a while, since a directory may be slow to ask."""

from __future__ import annotations

import asyncio
import contextlib
import grp
import os
import pwd
from collections.abc import Callable
from dataclasses import dataclass

from gpuq_daemon.store.jobs import Owner

_KEPT_S = 30.0
_MOST = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """A user, and the names of all groups they are in."""

    owner: Owner
    groups: frozenset[str] = frozenset()


class People:
    """Answers who a uid, or a login name, is. An answer is at most half a minute old."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now  # seconds of a clock that never goes back
        self._kept: dict[int | str, tuple[float, Person | None]] = {}

    async def of_uid(self, uid: int) -> Person:
        """Return who has this uid; one without a name is called by its number."""
        found = await self._find(uid)
        assert found is not None
        return found

    async def named(self, user: str) -> Person | None:
        """Return who has this login name, None if nobody has."""
        return await self._find(user)

    async def _find(self, key: int | str) -> Person | None:
        known = self._kept.get(key)
        if known is not None and self._now() - known[0] < _KEPT_S:
            return known[1]
        person = await asyncio.to_thread(_look_up, key)
        if len(self._kept) >= _MOST:
            self._kept.clear()
        self._kept[key] = (self._now(), person)
        return person


def _look_up(key: int | str) -> Person | None:
    try:
        entry = pwd.getpwuid(key) if isinstance(key, int) else pwd.getpwnam(key)
    except KeyError:
        return Person(owner=Owner(user=str(key), uid=key)) if isinstance(key, int) else None
    names = set[str]()
    for gid in os.getgrouplist(entry.pw_name, entry.pw_gid):
        with contextlib.suppress(KeyError):
            names.add(grp.getgrgid(gid).gr_name)
    return Person(owner=Owner(user=entry.pw_name, uid=entry.pw_uid), groups=frozenset(names))
