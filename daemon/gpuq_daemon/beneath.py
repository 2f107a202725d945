"""Opens what a job's owner has below a folder, as a root that trusts nobody would.

An attempt's folder stands in folders of gpuqd's own, so nobody can put another in its place. What is below it belongs
to the job's owner, who may put links, pipes, devices or others' files there while it is read.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# Without O_NONBLOCK, opening a pipe would wait for ever.
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def open_folder(folder: Path, *names: str) -> int:
    """Return a descriptor of a folder below `folder`; no link is followed from `folder` itself on.

    Raises:
        OSError: it is not there, or is no folder.
    """
    at = os.open(folder, _FOLDER)
    for name in names:
        at = _step(at, name, _FOLDER)
    return at


def open_file(folder: Path, *names: str) -> int:
    """Return a descriptor of a plain file below `folder` that belongs to whom `folder` belongs to, for reading.

    A file of somebody else can only be a hard link to it, which is not to be read on the owner's behalf.

    Raises:
        OSError: it is not there, or is no such file.
    """
    at = open_folder(folder, *names[:-1])
    try:
        owner = os.stat(folder, follow_symlinks=False).st_uid
    except OSError:
        os.close(at)
        raise
    file = _step(at, names[-1], _FILE)
    status = os.fstat(file)
    if stat.S_ISREG(status.st_mode) and status.st_uid == owner:
        return file
    os.close(file)
    raise OSError(errno.EPERM, "it is no plain file of its owner")


def _step(folder: int, name: str, flags: int) -> int:
    """Open what is called `name` in `folder`, and close `folder`."""
    try:
        return os.open(name, flags, dir_fd=folder)
    finally:
        os.close(folder)
