"""`gpuq why`."""

from __future__ import annotations

import click

from gpuq.cli.why import print_why


@click.command("why")
@click.argument("job_id", metavar="ID")
@click.option("--json", "as_json", is_flag=True, help="Print the reason as one JSON object.")
def command(job_id: str, as_json: bool) -> None:
    """Say why job ID is where it is: what it needs, what is free, and who holds the rest."""
    print_why(job_id, as_json=as_json)
