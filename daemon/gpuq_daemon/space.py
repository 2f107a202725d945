"""Room on the disk of the state: without enough of it nothing is queued or started, so that what runs can end."""

from __future__ import annotations

import os
from pathlib import Path

from gpuq.errors import FullError


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


def refuse_if_short(short: str | None) -> None:
    """Refuse what would need room, given what is wrong with it.

    Raises:
        FullError: there is not enough.
    """
    if short is not None:
        raise FullError(f"Nothing can be queued now: {short}; free some space and try again.")
