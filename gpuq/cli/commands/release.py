"""`gpuq release`."""

from __future__ import annotations

from gpuq.cli import declare
from gpuq.cli.changing import change_chosen
from gpuq.cli.selecting import changes_jobs
from gpuq.client import Client


@declare.command("release")
@declare.argument("job_ids", metavar="[ID]...", nargs=-1)
@changes_jobs
@declare.option("--json", "as_json", is_flag=True, help="Print each job as a line of JSON.")
def command(job_ids: tuple[str, ...], as_json: bool, **asked: object) -> int:
    """Let held jobs start.

    An array's number means all its tasks that wait, 12_3-7 some of them, 12-15 a range of jobs. Without an ID your own
    held jobs are chosen, by options and words such as 'gpus>4'.
    """
    client = Client()
    return change_chosen(
        client,
        job_ids,
        asked,
        verb="release",
        states=frozenset({"PENDING"}),
        change=lambda job, index: client.release(job, index=index),
        told="released",
        as_json=as_json,
    )
