"""Appends to reports.jsonl: one line, one write, so that a reader never sees two lines mixed."""

from __future__ import annotations

import errno
import json
import os
import time
from pathlib import Path
from typing import Any

_FULL = (errno.ENOSPC, errno.EDQUOT)
_PAUSE_S = 0.5


class Reports:
    """The driver's words to the daemon."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)

    def add(self, report: dict[str, Any]) -> None:
        """Append one report with the time it is made; wait for room where the disk is full."""
        left = json.dumps({"t": time.time(), **report}).encode() + b"\n"
        while left:
            try:
                left = left[os.write(self._file, left) :]
            except OSError as error:
                if error.errno not in _FULL:
                    raise
                time.sleep(_PAUSE_S)
