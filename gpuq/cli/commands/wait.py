"""`gpuq wait`."""

from __future__ import annotations

import click

from gpuq.cli import terminal
from gpuq.cli.listening import ends
from gpuq.cli.naming import number_of
from gpuq.cli.views.job import end_line
from gpuq.client import Client


@click.command("wait")
@click.argument("job_ids", metavar="ID...", nargs=-1, required=True)
@click.option("--json", "as_json", is_flag=True, help="Print each ended job as a line of JSON.")
def command(job_ids: tuple[str, ...], as_json: bool) -> int:
    """Wait until jobs have ended and exit with their exit code, the largest of several.

    Each is said as it ends.
    """
    client, code = Client(), 0
    numbers = [number_of(client, word) for word in job_ids]
    for ended in ends(client, [client.job(number) for number in numbers]):  # an unknown job is said before any waiting
        if as_json:
            terminal.say_json(ended)
        else:
            terminal.say(end_line(ended))
        terminal.flush()
        code = max(code, exit_code(ended["exit_code"]))
    return code


def exit_code(of_job: int | None) -> int:
    """Return a job's exit code as a process can have it; 1 where an ended job has none."""
    return 1 if of_job is None else min(max(of_job, 0), 255)
