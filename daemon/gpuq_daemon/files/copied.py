"""A copy on this machine of a file that is elsewhere, for readers that need a descriptor."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable

from gpuq_daemon.files.found import OneFileError

_MOST = 2**31
_PIECE = 4 * 2**20


def copied(read: Callable[[int, int], bytes], size: int, name: str) -> int:
    """Return the descriptor of a copy of the `size` bytes that `read` gives, gone when it is closed.

    Raises:
        OneFileError: it is too large for that; `name` says which it is.
    """
    if size > _MOST:
        raise OneFileError(f"{name} is too large to be looked into.")
    copy = os.open(tempfile.gettempdir(), os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        at = 0
        while at < size and (piece := read(at, min(_PIECE, size - at))):
            at += os.pwrite(copy, piece, at)
    except BaseException:  # no half a copy is left to anybody
        os.close(copy)
        raise
    return copy
