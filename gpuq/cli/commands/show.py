"""`gpuq show`."""

from __future__ import annotations

import click

from gpuq.cli.show import print_job


@click.command("show")
@click.argument("job_id", metavar="ID")
@click.option("--json", "as_json", is_flag=True, help="Print the job as one JSON object.")
def command(job_id: str, as_json: bool) -> None:
    """Show everything about job ID: times, ranks, GPU time, and the error if it failed."""
    print_job(job_id, as_json=as_json)
