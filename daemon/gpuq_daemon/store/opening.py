"""What SQLite says while a file is opened, as a sentence."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Generator
from pathlib import Path

from gpuq.errors import UnavailableError


@contextlib.contextmanager
def readable(path: Path) -> Generator[None]:
    """Turn what SQLite says while a file is opened into a sentence.

    Raises:
        UnavailableError: the file is no database, or cannot be read or written.
    """
    try:
        yield
    except sqlite3.Error as error:
        raise UnavailableError(f"The database {path} cannot be opened: {error}.") from error
