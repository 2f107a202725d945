"""`gpuq cancel`."""

from __future__ import annotations

import click

from gpuq.cli import terminal
from gpuq.cli.views.job import cancel_line
from gpuq.client import Client
from gpuq.errors import ForbiddenError, NotFoundError
from gpuq.units import parse_job_id


@click.command("cancel")
@click.argument("job_ids", metavar="ID...", nargs=-1, required=True)
@click.option("--json", "as_json", is_flag=True, help="Print each job as a line of JSON.")
def command(job_ids: tuple[str, ...], as_json: bool) -> int:
    """End jobs, whatever they do: pending ones at once, running ones as soon as all their processes are gone."""
    numbers = [parse_job_id(word) for word in job_ids]
    client, code = Client(), 0
    for number in numbers:
        try:
            before = client.job(number)
            after = client.cancel(number)
        except (NotFoundError, ForbiddenError) as error:  # the others are still to be cancelled
            terminal.say_error(str(error))
            code = max(code, error.exit_code)
            continue
        if as_json:
            terminal.say_json(after)
        else:
            terminal.say(cancel_line(before, after))
    return code
