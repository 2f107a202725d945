"""A small process beside each rank that outlives it by a moment, to tell the driver whether it was killed for memory.

A rank that is killed says nothing any more, and the kernel's count of such kills can be read on its own host only.
Where a whole executor is ended the witness goes with it: its silence says so.
"""

from __future__ import annotations

import json
import os
import select
import sys
from collections.abc import Callable

from gpuq_job import memory_kills
from gpuq_job.link import RankEnd, witness_of

_FORGOTTEN_S = 10.0
DONE = b"done\n"


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
        if asked in ready and os.read(asked, len(DONE)) == DONE:
            return
        if asked in ready:
            is_asked = []  # it hung up, as the dead do
        if not ready:  # what was killed long before was not this rank
            earlier, latest = latest, count()
    end.tell("SAW", was_killed_for_memory=count() > earlier)
    end.close()


if __name__ == "__main__":
    watch(sys.stdin.fileno())
