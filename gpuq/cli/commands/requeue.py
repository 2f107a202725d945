"""`gpuq requeue`."""

from __future__ import annotations

from gpuq.cli import declare
from gpuq.cli.changing import change_chosen
from gpuq.cli.selecting import changes_jobs
from gpuq.client import Client
from gpuq.states import FINAL

_ANYTHING_STARTED = frozenset({"CONFIGURING", "RUNNING", "COMPLETING"}) | FINAL


@declare.command("requeue")
@declare.argument("job_ids", metavar="[ID]...", nargs=-1)
@changes_jobs
@declare.option("--hold", "-H", "is_held", is_flag=True, help="Hold them, until `gpuq release`.")
@declare.option("--json", "as_json", is_flag=True, help="Print each job as a line of JSON.")
def command(job_ids: tuple[str, ...], is_held: bool, as_json: bool, **asked: object) -> int:
    """Let jobs run again: those that have ended wait anew, those that run are ended first.

    An array's number means all its tasks that run or have ended, 12_3-7 some of them, 12-15 a range of jobs. Without an
    ID your own are chosen, by options and words, as in `gpuq requeue -s F --since 2h`.
    """
    client = Client()
    return change_chosen(
        client,
        job_ids,
        asked,
        verb="requeue",
        states=_ANYTHING_STARTED,
        change=lambda job, index: client.requeue(job, index=index, is_held=is_held),
        told="to run again",
        as_json=as_json,
    )
