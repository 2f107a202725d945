"""The daemon's own log: one line an event, fixed text first, data as key=value."""

from __future__ import annotations

import json
import logging
import sys

_STANDARD = frozenset(vars(logging.LogRecord("", 0, "", 0, "", (), None))) | {"message", "asctime", "color_message"}


class KeyValueFormatter(logging.Formatter):
    """`2026-11-23 14:02:31 INFO launched job_id=12 shim_pid=4711`; values are JSON, so a line stays a line."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(message)s", datefmt="%Y-%m-%d %H:%M:%S")

    def formatMessage(self, record: logging.LogRecord) -> str:
        """Return the line with what was passed in `extra`."""
        data = {key: value for key, value in vars(record).items() if key not in _STANDARD}
        pairs = (f"{key}={json.dumps(value, default=str)}" for key, value in data.items())
        return " ".join((super().formatMessage(record), *pairs))


def set_up(*, level: int = logging.INFO) -> None:
    """Send the log to stderr, where systemd and terminals expect it."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(KeyValueFormatter())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
