"""A small process beside each rank that outlives it by a moment, to tell the driver whether it was killed for memory.

A rank that is killed says nothing any more, and the kernel's count of such kills can be read on its own host only.
Where a whole executor is ended the witness goes with it: its silence says so.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from gpuq_job import memory_kills
from gpuq_job.link import RankEnd, witness_of

_FORGOTTEN_S = 10.0
_PARTING_S = 5.0
_DONE = b"done\n"


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
            self._say(_DONE)
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


def watch(asked: int, count: Callable[[], int] = memory_kills.count) -> None:
    """Read whom to watch, and tell the driver when it is gone; end silently if the rank says that it is done.

    `asked` is the pipe that the rank says so on, `count` how many processes the kernel has ended here for memory.
    """
    told = json.loads(os.read(asked, 64 * 1024))
    process = os.pidfd_open(told["pid"])
    end = RankEnd(tuple(told["address"]), bytes.fromhex(told["key"]), witness_of(told["rank"]))
    end.tell("WATCHES")
    is_asked = [asked]
    earlier = latest = count()
    while process not in (ready := select.select([process, *is_asked], [], [], _FORGOTTEN_S)[0]):
        if asked in ready and os.read(asked, len(_DONE)) == _DONE:
            return
        if asked in ready:
            is_asked = []  # it hung up, as the dead do
        if not ready:  # what was killed long before was not this rank
            earlier, latest = latest, count()
    end.tell("SAW", was_killed_for_memory=count() > earlier)
    end.close()


if __name__ == "__main__":
    watch(sys.stdin.fileno())
