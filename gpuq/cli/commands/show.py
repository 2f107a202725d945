"""`gpuq show`."""

from __future__ import annotations

import time

import click

from gpuq.cli import terminal
from gpuq.cli.naming import number_of
from gpuq.cli.views.job import job_lines
from gpuq.client import Client


@click.command("show")
@click.argument("job_id", metavar="ID")
@click.option("--json", "as_json", is_flag=True, help="Print the job as one JSON object.")
def command(job_id: str, as_json: bool) -> None:
    """Show everything about job ID: times, ranks, GPU time, and the error if it failed."""
    client = Client()
    job = client.job(number_of(client, job_id))
    if as_json:
        terminal.say_json(job)
        return
    mark = "…" if terminal.is_utf8() else "~"
    terminal.say("\n".join(job_lines(job, time.time(), width=terminal.width(), mark=mark)))
