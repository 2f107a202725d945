"""The log of a rank: everything its process prints, also from native code, and the last lines of it."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import re
import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any

from gpuq_job.streams import Streams

_TAIL_BYTES = 64 * 1024
_MAX_LINE = 1000
_OF_STACKS = re.compile(r"$|  |Thread |Current thread|Extension modules: |<|\.\.\.")
_SPOILT = (OSError, ValueError, AttributeError, TypeError)
"""What a stream raises that a script has closed, replaced, or limited the size of."""


@contextlib.contextmanager
def printed_to(path: Path) -> Generator[Streams]:
    """Send what this process prints to the end of a file, Python's streams line by line.

    Beside it, `.streams` in the place of its suffix, stands which stretches came from which stream.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    logs = [os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600) for _ in range(2)]
    flush()
    seen = Streams(path.with_suffix(".streams"), *logs)
    before, streams = (os.dup(1), os.dup(2)), (sys.stdout, sys.stderr)
    try:
        for log, number in zip(logs, (1, 2), strict=True):
            os.dup2(log, number)
        for stream in streams:  # who has kept one of them goes on with it
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(line_buffering=True, errors="backslashreplace")
        sys.stdout, sys.stderr = _printing_to(1, seen), _printing_to(2, seen)
        yield seen
    finally:
        flush()
        sys.stdout, sys.stderr = streams
        for saved, number in zip(before, (1, 2), strict=True):
            os.dup2(saved, number)
            os.close(saved)
        seen.close()
        for log in logs:
            os.close(log)


class _Lenient(io.FileIO):
    """A file whose disk may be full, or that may grow no more: what is too much is dropped, and ends no training."""

    def __init__(self, number: int, seen: Streams) -> None:
        super().__init__(number, "w", closefd=False)
        self._seen = seen

    def write(self, data: Any) -> int:
        """Write what there is room for and say that it was all."""
        size = len(data)
        try:
            with self._seen.alone():
                return super().write(data)
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
                raise
            return size


def _printing_to(number: int, seen: Streams) -> io.TextIOWrapper:
    buffered = io.BufferedWriter(_Lenient(number, seen))
    return io.TextIOWrapper(buffered, encoding="utf-8", errors="backslashreplace", line_buffering=True)


def tail(path: Path, lines: int = 20) -> list[str]:
    """Return the last lines of a log, each cut at 1000 characters; empty if it cannot be read.

    Where the log ends with what Python tells of a crash, it is the lines around where that begins: after them come the
    stacks of all threads.
    """
    try:
        with open(path, "rb") as stream:
            stream.seek(max(0, os.fstat(stream.fileno()).st_size - _TAIL_BYTES))
            text = stream.read(_TAIL_BYTES).decode("utf-8", "replace")
    except OSError:
        return []
    found = text.splitlines()
    crash = _crash(found)
    begin = len(found) - lines if crash is None else min(crash - lines // 4, len(found) - lines)
    return [line[:_MAX_LINE] for line in found[max(0, begin) :][:lines]]


def _crash(lines: list[str]) -> int | None:
    """Return where what Python tells of a crash begins, None if the lines do not end with that.

    Source: CPython's faulthandler.c and traceback.c.
    """
    for number in reversed(range(len(lines))):
        if lines[number].startswith("Fatal Python error: "):
            return number
        if not _OF_STACKS.match(lines[number]):
            return None
    return None


def flush() -> None:
    """Write what the streams hold back, whatever a script has made of them."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(*_SPOILT):
            stream.flush()


def say(text: str) -> None:
    """Print a line, unless a script has spoilt its standard output: that must not decide what becomes of it."""
    with contextlib.suppress(*_SPOILT):
        print(text, flush=True)


def say_error(text: str, path: Path) -> None:
    """Print to the standard error, and where a script has spoilt that, to the end of the log at `path`."""
    try:
        sys.stderr.write(text)
        sys.stderr.flush()
    except _SPOILT:
        with contextlib.suppress(OSError), open(path, "a", encoding="utf-8", errors="backslashreplace") as log:
            log.write(text)


def shortened(text: str, *, most: int = 500) -> str:
    """Return a text of at most `most` characters; the middle of a longer one is left out: its point is at the end."""
    if len(text) <= most:
        return text
    head = most // 2
    return f"{text[:head]} … {text[len(text) - (most - head - 3) :]}"
