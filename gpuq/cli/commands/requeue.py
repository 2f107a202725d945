"""`gpuq requeue`."""

from __future__ import annotations

import click

from gpuq.cli.changing import change_each
from gpuq.client import Client


@click.command("requeue")
@click.argument("job_ids", metavar="ID...", nargs=-1, required=True)
@click.option("--hold", "-H", "is_held", is_flag=True, help="Hold them, until `gpuq release`.")
@click.option("--json", "as_json", is_flag=True, help="Print each job as a line of JSON.")
def command(job_ids: tuple[str, ...], is_held: bool, as_json: bool) -> int:
    """Let jobs run again: those that have ended wait anew, those that run are ended first.

    An array's number means all its tasks that run or have ended, 12_3 task 3 of array 12.
    """
    client = Client()
    return change_each(
        job_ids, lambda job, index: client.requeue(job, index=index, is_held=is_held), "to run again", as_json=as_json
    )
