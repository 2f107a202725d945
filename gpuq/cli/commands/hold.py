"""`gpuq hold`."""

from __future__ import annotations

import click

from gpuq.cli.changing import change_each
from gpuq.client import Client


@click.command("hold")
@click.argument("job_ids", metavar="ID...", nargs=-1, required=True)
@click.option("--admin", "as_admin", is_flag=True, help="So that only an administrator can release them.")
@click.option("--json", "as_json", is_flag=True, help="Print each job as a line of JSON.")
def command(job_ids: tuple[str, ...], as_admin: bool, as_json: bool) -> int:
    """Keep pending jobs from starting, until `gpuq release`.

    An array's number means all its tasks that wait, 12_3 task 3 of array 12.
    """
    client = Client()
    return change_each(
        job_ids, lambda job, index: client.hold(job, index=index, as_admin=as_admin), "held", as_json=as_json
    )
