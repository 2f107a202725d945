"""`gpuq cancel`."""

from __future__ import annotations

import click

from gpuq.cli import terminal
from gpuq.cli.views.job import cancel_line, cancel_many_line, is_array
from gpuq.client import Client
from gpuq.errors import ForbiddenError, NotFoundError
from gpuq.units import parse_task


@click.command("cancel")
@click.argument("job_ids", metavar="ID...", nargs=-1, required=True)
@click.option("--json", "as_json", is_flag=True, help="Print each job as a line of JSON.")
def command(job_ids: tuple[str, ...], as_json: bool) -> int:
    """End jobs, whatever they do: pending ones at once, running ones as soon as all their processes are gone.

    An array's number means all its tasks, 12_3 task 3 of array 12.
    """
    named = [parse_task(word) for word in job_ids]
    client, code = Client(), 0
    for number, index in named:
        try:
            before = client.job(number)
            after = client.cancel(number, index=index)
        except (NotFoundError, ForbiddenError) as error:  # the others are still to be cancelled
            terminal.say_error(str(error))
            code = max(code, error.exit_code)
            continue
        if as_json:
            terminal.say_json(after)
        else:
            is_one = index is None and not is_array(after, index)
            terminal.say(cancel_line(before, after) if is_one else cancel_many_line(after, index))
    return code
