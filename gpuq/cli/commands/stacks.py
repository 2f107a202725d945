"""`gpuq stacks`."""

from __future__ import annotations

import time

from gpuq.cli import declare, terminal
from gpuq.cli.naming import number_of
from gpuq.client import Client
from gpuq.errors import GpuqError, NotFoundError
from gpuq.text import clean_log

_BEGIN = "gpuq: stacks of every thread"
_END = "gpuq: end of stacks"
_POLL_S = 0.2


@declare.command("stacks")
@declare.argument("job_id", metavar="ID")
@declare.option("--timeout", "timeout_s", type=declare.FloatRange(min=0), default=10.0, help="Seconds to wait. [10]")
def command(job_id: str, timeout_s: float) -> int:
    """Print where every thread of every rank of job ID is now, for a job that seems to hang.

    The training goes on meanwhile. What the ranks print is in their logs, too.
    """
    client = Client()
    number = number_of(client, job_id)
    offsets = {rank["rank"]: _size(client, number, rank["rank"]) for rank in client.job(number)["ranks"]}
    client.stacks(number)
    silent = [rank for rank, offset in offsets.items() if not _print(client, number, rank, offset, timeout_s)]
    if silent:
        raise GpuqError(
            f"Rank {', '.join(map(str, silent))} did not answer within {timeout_s:g} s: it has ended, or hangs in code "
            "that lets no Python run; `gpuq logs --rank` has what comes later."
        )
    return 0


def _size(client: Client, job_id: int, rank: int) -> int:
    try:
        return client.logs(job_id, rank=rank, limit=1)["size"]
    except NotFoundError:
        return 0


def _print(client: Client, job_id: int, rank: int, offset: int, timeout_s: float) -> bool:
    """Print what a rank says after `offset` of its log; return whether it has said all within `timeout_s`."""
    deadline = time.monotonic() + timeout_s
    while True:
        data = client.logs(job_id, rank=rank, offset=offset)["data"]
        begin, end = data.find(_BEGIN), data.find(_END)
        if 0 <= begin < end:
            terminal.say(f"Rank {rank}:")
            terminal.say(clean_log(data[data.index("\n", begin) + 1 : end]).rstrip("\n"))
            return True
        if time.monotonic() >= deadline:
            return False
        time.sleep(_POLL_S)
