"""Room on the disk of the state: without enough of it nothing is queued or started, so that what runs can end."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

from gpuq.errors import FullError

# What no disk takes in a moment.
_PLENTY_MIB, _MOMENT_S = 4096, 0.1


def shortage(state: Path, min_free_mib: int) -> str | None:
    """Return what is wrong with the room on the disk of `state`, as a part of a sentence; None if there is enough."""
    try:
        room = os.statvfs(state)
    except OSError as error:
        return f"the disk of {state} cannot be looked at: {error.strerror}"
    free_mib = room.f_bavail * room.f_frsize / 2**20
    if free_mib < min_free_mib:
        return f"the disk of {state} has {free_mib:.0f} MiB left, and {min_free_mib} are kept for jobs that run"
    if room.f_files and not room.f_favail:
        return f"the disk of {state} has no room for more files"
    return None


class Room:
    """The room on a disk, for who asks thousands of times a second: where there is plenty it lasts for a moment."""

    def __init__(self, state: Path, min_free_mib: Callable[[], int], *, now: Callable[[], float] = time.monotonic):
        self._state, self._min_free_mib, self._now = state, min_free_mib, now
        self._plenty_until = 0.0

    def shortage(self) -> str | None:
        """Return the same as `shortage`."""
        if self._now() < self._plenty_until:
            return None
        if shortage(self._state, self._min_free_mib() + _PLENTY_MIB) is None:
            self._plenty_until = self._now() + _MOMENT_S
            return None
        return shortage(self._state, self._min_free_mib())


def refuse_if_short(short: str | None) -> None:
    """Refuse what would need room, given what is wrong with it.

    Raises:
        FullError: there is not enough.
    """
    if short is not None:
        raise FullError(f"Nothing can be queued now: {short}; free some space and try again.")
