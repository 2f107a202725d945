"""Keeps what ranks use where gpuqd reads it: `samples.jsonl`, which never grows large.

Old samples are nobody's loss: gpuqd has long read them. A file that is full is put aside and begun anew.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from pathlib import Path
from typing import Any

_LARGEST = 4 * 1024 * 1024


class Samples:
    """The driver's end of the file."""

    def __init__(self, path: Path, largest: int = _LARGEST) -> None:
        self._path = path
        self._largest = largest
        self._file: int | None = None
        self._size = 0

    def add(self, rank: int, sample: dict[str, Any]) -> None:
        """Append what a rank uses, a line of its own; what there is no room for is not kept."""
        line = json.dumps({"t": time.time(), "rank": rank, **sample}).encode() + b"\n"
        with contextlib.suppress(OSError):
            if self._file is None or self._size + len(line) > self._largest:
                self._begin()
            assert self._file is not None
            self._size += os.write(self._file, line)

    def _begin(self) -> None:
        """Begin a file, in the place of the one that was there."""
        draft = self._path.with_suffix(".new")
        draft.unlink(missing_ok=True)
        made = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)
        os.replace(draft, self._path)
        if self._file is not None:
            os.close(self._file)
        self._file, self._size = made, 0
