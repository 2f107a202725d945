"""The daemon's own log: one line an event, fixed text first, data as key=value or as JSON."""

from __future__ import annotations

import json
import logging
import os
import re
import sys
from collections.abc import Mapping
from typing import Any, Literal

from gpuq.text import clean, clean_log

Format = Literal["auto", "text", "json"]
Level = Literal["debug", "info", "warning", "error"]

_STANDARD = frozenset(vars(logging.LogRecord("", 0, "", 0, "", (), None))) | {"message", "asctime", "color_message"}
_SECRET = re.compile(r"secret|password|token|authorization", re.IGNORECASE)
_PRIORITIES = {logging.DEBUG: 7, logging.INFO: 6, logging.WARNING: 4, logging.ERROR: 3, logging.CRITICAL: 2}
_MOST_ALIKE, _WINDOW_S, _MOST_TEXTS = 20, 60.0, 256


def event_id(record: logging.LogRecord) -> str:
    """Return what an event is called for ever, whatever its data: `the-event-loop-stood-still`.

    It is made of the fixed text, which is part of what gpuqd promises: a new event has a new text.
    """
    return re.sub(r"[^a-z0-9]+", "-", str(record.msg).lower())[:80].strip("-")


def data(record: logging.LogRecord) -> dict[str, Any]:
    """Return what was passed in `extra`, secrets taken out."""
    found = {key: value for key, value in vars(record).items() if key not in _STANDARD}
    return {key: "(secret)" if _SECRET.search(key) else value for key, value in found.items()}


class KeyValueFormatter(logging.Formatter):
    """`2026-11-23 14:02:31 INFO launched job_id=12 shim_pid=4711`; values are JSON, so a line stays a line."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(message)s", datefmt="%Y-%m-%d %H:%M:%S")

    def formatMessage(self, record: logging.LogRecord) -> str:
        """Return the line with what was passed in `extra`."""
        pairs = (f"{key}={json.dumps(value, default=str)}" for key, value in data(record).items())
        return " ".join((clean(super().formatMessage(record)), *pairs))

    def formatException(self, ei: Any) -> str:
        """Return the traceback; what it quotes may come from anywhere."""
        return clean_log(super().formatException(ei))


class JsonFormatter(logging.Formatter):
    """`{"t": 1.5, "level": "info", "event": "launched", "message": "launched", "job_id": 12}`, one line, ASCII."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as one JSON object."""
        fields: dict[str, Any] = {
            **data(record),
            "t": round(record.created, 3),
            "level": record.levelname.lower(),
            "event": event_id(record),
            "message": record.getMessage(),
            "logger": record.name,
        }
        if record.exc_info:
            fields["traceback"] = self.formatException(record.exc_info)
        return json.dumps(fields, default=str)


class PriorityFormatter(logging.Formatter):
    """Another formatter's lines, each with the syslog priority in front that the journal takes off.

    Source: sd-daemon(3).
    """

    def __init__(self, inner: logging.Formatter) -> None:
        super().__init__()
        self._inner = inner

    def format(self, record: logging.LogRecord) -> str:
        """Return the lines with `<4>` and the like in front."""
        priority = _PRIORITIES.get(record.levelno, 5)
        return "\n".join(f"<{priority}>{line}" for line in self._inner.format(record).split("\n"))


class RateLimit(logging.Filter):
    """Lets a warning or an error through at most 20 times a minute for each fixed text.

    The first one of a later minute tells in `suppressed` how many were not shown. State changes of jobs, which are
    INFO, are never left out.
    """

    def __init__(self) -> None:
        super().__init__()
        self._seen: dict[str, list[float]] = {}  # since when, how many

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether the record is shown."""
        if record.levelno < logging.WARNING:
            return True
        text = f"{record.name} {record.msg}"
        since, count = self._seen.get(text, (0.0, 0.0))
        if not 0 <= record.created - since < _WINDOW_S:
            if count > _MOST_ALIKE:
                record.suppressed = int(count) - _MOST_ALIKE
            if len(self._seen) >= _MOST_TEXTS:
                self._seen.clear()
            since, count = record.created, 0.0
        self._seen[text] = [since, count + 1]
        return count < _MOST_ALIKE


def formatter(wanted: Format, *, is_journal: bool) -> logging.Formatter:
    """Return how lines look: "auto" is JSON for the journal, and text for everybody else."""
    inner = JsonFormatter() if wanted == "json" or (wanted == "auto" and is_journal) else KeyValueFormatter()
    return PriorityFormatter(inner) if is_journal else inner


def is_journal(environment: Mapping[str, str], descriptor: int) -> bool:
    """Whether what is written to a descriptor goes to systemd's journal. Source: systemd.exec(5), $JOURNAL_STREAM."""
    try:
        there = os.fstat(descriptor)
    except OSError:
        return False
    return environment.get("JOURNAL_STREAM") == f"{there.st_dev}:{there.st_ino}"


def set_up(wanted: Format = "auto", level: Level = "info") -> None:
    """Send the log to stderr, where systemd and terminals expect it."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter(wanted, is_journal=is_journal(os.environ, sys.stderr.fileno())))
    handler.addFilter(RateLimit())
    logging.basicConfig(handlers=[handler], force=True)
    set_level(level)
    logging.getLogger("uvicorn").setLevel(logging.WARNING)


def set_level(level: Level) -> None:
    """Let through what is at least so important."""
    logging.getLogger().setLevel(level.upper())
