"""What SQLite says of a file, as a sentence for people."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Generator
from pathlib import Path

from gpuq.errors import FullError, UnavailableError

_NO_ROOM = 64 * 1024  # bytes; below this, what SQLite calls an I/O error is a full disk
# Source: sqlite.org/rescode.html; the low byte of an extended code is the primary one.
_IOERR, _BUSY, _CORRUPT, _FULL, _CANTOPEN, _NOTADB, _READONLY = 10, 5, 11, 13, 14, 26, 8
_OF_THE_FILE = frozenset({_IOERR, _BUSY, _CORRUPT, _FULL, _CANTOPEN, _NOTADB, _READONLY})


@contextlib.contextmanager
def readable(path: Path) -> Generator[None]:
    """Turn what SQLite says while a file is opened into a sentence.

    Raises:
        UnavailableError: the file is no database, or cannot be read or written.
    """
    try:
        yield
    except sqlite3.Error as error:
        raise complaint(path, error) or UnavailableError(f"The database {path} cannot be opened: {error}.") from error


@contextlib.contextmanager
def told(path: Path) -> Generator[None]:
    """Turn what SQLite says of an open file into a sentence; what it says of a question is left as it is.

    Raises:
        FullError: there is no room for it.
        UnavailableError: the file is damaged, locked, or cannot be read or written.
    """
    try:
        yield
    except sqlite3.Error as error:
        found = complaint(path, error)
        if found is None:
            raise
        raise found from error


def complaint(path: Path, error: sqlite3.Error) -> UnavailableError | None:
    """Return what is wrong with the file and what to do; None where not the file is wrong, but the question."""
    code: int = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code not in _OF_THE_FILE:
        return None
    if code == _FULL or (code in (_IOERR, _CANTOPEN) and _is_full(path)):
        return FullError(f"The disk of {path} is full, so nothing was changed: free some space and try again.")
    if code == _BUSY:
        return UnavailableError(
            f"Another program keeps {path} locked, so nothing was changed: end it (`fuser {path}` names it), "
            "or try again later."
        )
    if code in (_CORRUPT, _NOTADB):
        return UnavailableError(
            f"The database {path} is damaged: stop gpuqd, look with `gpuqd verify`, and `gpuqd restore` a backup."
        )
    return UnavailableError(f"The database {path} cannot be used: {error}. Nothing was changed.")


def _is_full(path: Path) -> bool:
    try:
        room = os.statvfs(path.parent)
    except OSError:
        return False
    return room.f_bavail * room.f_frsize < _NO_ROOM or (room.f_files > 0 and room.f_favail == 0)
