"""Runs a line of `gpuq` beside the interface: whatever the command line can do, the interface can."""

from __future__ import annotations

import codecs
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Protocol

_PIECE = 64 * 1024
PROGRAM = "import sys; from gpuq.cli import main; sys.exit(main())"


class Run(Protocol):
    """A line that runs. `pieces` blocks; `close` may be called from another thread while it does."""

    def pieces(self) -> Iterator[str]:
        """Give its output, standard error too, as it comes."""
        ...

    def exit_code(self) -> int:
        """Return how it ended, after the last piece."""
        ...

    def close(self) -> None:
        """End it if it still runs."""
        ...


Starts = Callable[[Sequence[str], int], Run]
"""Starts a line, given its words and the columns there are."""


class Process:
    """A `gpuq` of its own, without a terminal: it can ask nothing and take nothing from the keyboard."""

    def __init__(self, words: Sequence[str], columns: int, environ: Mapping[str, str], host: str) -> None:
        # -P: the folder that gpuq top was started in is no place for imports
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-c", PROGRAM, *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env={**environ, "GPUQ_HOST": host, "COLUMNS": str(columns), "PYTHONUNBUFFERED": "1"},
        )

    def pieces(self) -> Iterator[str]:
        """Give its output as it comes; bytes that are no UTF-8 as U+FFFD."""
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        stdout = self._process.stdout
        assert stdout is not None
        with stdout:
            while data := os.read(stdout.fileno(), _PIECE):
                yield decoder.decode(data)
        yield decoder.decode(b"", final=True)

    def exit_code(self) -> int:
        """Wait for its end and return its exit code; negative if a signal ended it."""
        return self._process.wait()

    def close(self) -> None:
        """Interrupt it, as ctrl-C would: it leaves as from a terminal."""
        if self._process.poll() is None:
            self._process.terminate()


def starts(host: str) -> Starts:
    """Return what starts lines that ask the gpuqd at `host`, in this program's environment."""
    return lambda words, columns: Process(words, columns, os.environ, host)
