"""Files that somebody names: opened only if they are ordinary ones, which have an end."""

from __future__ import annotations

import os
import stat


class NotRegularError(OSError):
    """It is a directory, a pipe, a device or a socket; `what` says so behind "is"."""

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what


def open_regular(path: str) -> int:
    """Return a descriptor to read the file at `path` with.

    Without waiting: a pipe that nobody writes would keep us for ever.

    Raises:
        NotRegularError: it is no regular file.
        OSError, ValueError: it cannot be opened.
    """
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    kind = os.fstat(handle).st_mode
    if stat.S_ISREG(kind):
        return handle
    os.close(handle)
    raise NotRegularError("a directory" if stat.S_ISDIR(kind) else "not a regular file")
