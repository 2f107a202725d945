"""The last words of Spark executors that never became a rank, from the files that their workers keep."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from pathlib import Path

from gpuq_daemon.beneath import open_file, open_folder

_TAIL_BYTES = 16 * 1024
_LINES = 8
_LONGEST_LINE = 500


def last_words(work: Path, names: tuple[str, ...], known: Collection[str], where: str) -> tuple[str, ...]:
    """Return the last lines of the standard error of every executor but the `known` ones, each after its name.

    Executors stand in folders named by their numbers in the folder `names` below `work`, which may be a user's.
    """
    try:
        folder = open_folder(work, *names)
    except OSError:
        return ()
    try:
        found = sorted(name for name in os.listdir(folder) if name.isdecimal() and name not in known)
    finally:
        os.close(folder)
    each = (_words_of(work, (*names, name, "stderr"), f"executor {name}{where}") for name in found)
    return tuple(line for lines in each for line in lines)


def _words_of(work: Path, path: tuple[str, ...], who: str) -> Iterator[str]:
    try:
        file = open_file(work, *path)
    except OSError:
        return
    try:
        size = os.fstat(file).st_size
        text = os.pread(file, _TAIL_BYTES, max(0, size - _TAIL_BYTES)).decode(errors="replace")
    finally:
        os.close(file)
    for line in [line for line in text.splitlines() if line.strip()][-_LINES:]:
        yield f"{who}: {line[:_LONGEST_LINE]}"
