"""`gpuq release`."""

from __future__ import annotations

import click

from gpuq.cli.changing import change_each
from gpuq.client import Client


@click.command("release")
@click.argument("job_ids", metavar="ID...", nargs=-1, required=True)
@click.option("--json", "as_json", is_flag=True, help="Print each job as a line of JSON.")
def command(job_ids: tuple[str, ...], as_json: bool) -> int:
    """Let held jobs start.

    An array's number means all its tasks that wait, 12_3 task 3 of array 12.
    """
    client = Client()
    return change_each(job_ids, lambda job, index: client.release(job, index=index), "released", as_json=as_json)
