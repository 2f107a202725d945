"""Appends to reports.jsonl: one line, one write, so that a reader never sees two lines mixed."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any


class Reports:
    """The driver's words to the daemon."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)

    def add(self, report: dict[str, Any]) -> None:
        """Append one report with the time it is made."""
        os.write(self._file, json.dumps({"t": time.time(), **report}).encode() + b"\n")
