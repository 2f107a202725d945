"""`gpuq prio`."""

from __future__ import annotations

import click

from gpuq.cli import terminal
from gpuq.cli.naming import number_of
from gpuq.cli.views.prio import prio_lines
from gpuq.client import Client


@click.command("prio")
@click.argument("job_id", metavar="ID")
@click.option("--json", "as_json", is_flag=True, help="Print the terms as a JSON array.")
def command(job_id: str, as_json: bool) -> None:
    """Show every term of pending job ID's priority: age, fair share, size, partition, QOS, nice."""
    client = Client()
    number = number_of(client, job_id)
    terms = client.priority(number)
    if as_json:
        terminal.say_json(terms)
    else:
        terminal.say("\n".join(prio_lines(client.job(number), terms)))
