"""`gpuq why`."""

from __future__ import annotations

import time

from gpuq.cli import declare
from gpuq.cli.why import print_why
from gpuq.units import parse_past


@declare.command("why")
@declare.argument("job_id", metavar="ID")
@declare.option(
    "--sooner/--no-sooner",
    default=None,
    help="Try what would let it start sooner, which takes seconds. [on a terminal]",
)
@declare.option("--at", metavar="TIME", help="Say why it was where it was then: 14:05, 2026-11-26T14:05.")
@declare.option("--json", "as_json", is_flag=True, help="Print the reason as one JSON object.")
def command(job_id: str, sooner: bool | None, at: str | None, as_json: bool) -> None:
    """Say why job ID is where it is: what it needs, what is free, and who holds the rest.

    What would let it start sooner, fewer GPUs, a shorter time, another GPU model, partition or QOS, was tried by the
    policy on the queue as it is.
    """
    print_why(job_id, as_json=as_json, sooner=sooner, at=None if at is None else parse_past(at, now=time.time()))
