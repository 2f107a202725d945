"""Starts the witness of this rank; apart from what runs there, which loads as little as it can."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path

from gpuq_job.witness import DONE

_PARTING_S = 5.0


class Witness:
    """The rank's side: starts its witness, and lets it go at the rank's own end."""

    def __init__(self, address: tuple[str, int], key: str, rank: int) -> None:
        """`address` is where the driver listens, `key` the attempt's, in hex."""
        self._process: subprocess.Popen[bytes] | None = None
        told = json.dumps({"address": address, "key": key, "rank": rank, "pid": os.getpid()})
        with contextlib.suppress(OSError):  # a training is not to fail for want of a witness
            self._process = subprocess.Popen(
                [sys.executable, "-S", "-m", "gpuq_job.witness"],
                env={**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[1])},
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            self._say(told.encode() + b"\n")

    def dismiss(self) -> None:
        """Let it go: this rank has told its end itself."""
        if self._process is None:
            return
        with contextlib.suppress(OSError):
            self._say(DONE)
        try:
            self._process.communicate(timeout=_PARTING_S)
        except (OSError, subprocess.TimeoutExpired):
            self._process.kill()
            self._process.wait()

    def _say(self, words: bytes) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(words)
        self._process.stdin.flush()
