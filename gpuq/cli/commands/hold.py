"""`gpuq hold`."""

from __future__ import annotations

from gpuq.cli import declare
from gpuq.cli.changing import change_chosen
from gpuq.cli.selecting import changes_jobs
from gpuq.client import Client


@declare.command("hold")
@declare.argument("job_ids", metavar="[ID]...", nargs=-1)
@changes_jobs
@declare.option("--admin", "as_admin", is_flag=True, help="So that only an administrator can release them.")
@declare.option("--json", "as_json", is_flag=True, help="Print each job as a line of JSON.")
def command(job_ids: tuple[str, ...], as_admin: bool, as_json: bool, **asked: object) -> int:
    """Keep pending jobs from starting, until `gpuq release`.

    An array's number means all its tasks that wait, 12_3-7 some of them, 12-15 a range of jobs. Without an ID your own
    pending jobs are chosen, by options and words such as 'gpus>4'.
    """
    client = Client()
    return change_chosen(
        client,
        job_ids,
        asked,
        verb="hold",
        states=frozenset({"PENDING"}),
        change=lambda job, index: client.hold(job, index=index, as_admin=as_admin),
        told="held",
        as_json=as_json,
    )
