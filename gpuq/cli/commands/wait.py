"""`gpuq wait`."""

from __future__ import annotations

import click

from gpuq.cli import terminal
from gpuq.cli.listening import ends
from gpuq.cli.selecting import chosen, selects_jobs
from gpuq.cli.views.job import end_line
from gpuq.client import Client
from gpuq.states import FINAL, SHORT_STATES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


@click.command("wait")
@click.argument("job_ids", metavar="[ID]...", nargs=-1)
@selects_jobs
@click.option("--json", "as_json", is_flag=True, help="Print each ended job as a line of JSON.")
def command(job_ids: tuple[str, ...], as_json: bool, **asked: Any) -> int:
    """Wait until jobs have ended and exit with their exit code, the largest of several.

    Each is said as it ends. Without an ID your own jobs are chosen, of those that there are now, by options and words.
    """
    client, code = Client(), 0
    has_numbers = any(word[:1].isdigit() for word in job_ids)  # of those that are named the ended ones count, too
    states = frozenset(SHORT_STATES) if has_numbers else frozenset(SHORT_STATES) - FINAL
    found = chosen(client, job_ids, asked, states=states, verb="wait")
    jobs = [job or client.job(number, index=index) for (number, index), job in found]  # an unknown one is said at once
    for ended in ends(client, jobs):
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
