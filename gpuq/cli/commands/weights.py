"""`gpuq weights`."""

from __future__ import annotations

from gpuq.cli import declare, terminal
from gpuq.cli.naming import number_of
from gpuq.cli.views.checkpoint import distribution_lines
from gpuq.client import Client

_PIPE_WIDTH = 80


@declare.command("weights")
@declare.argument("job_id", metavar="ID")
@declare.argument("name")
@declare.option("--at", help="In the checkpoint of this step, or of this name. [the newest]")
@declare.option("--minus", help="Subtract the numbers of this step's (or name's) checkpoint: what has changed since.")
@declare.option("--bins", type=declare.IntRange(1, 200), default=20, help="Lines of the histogram. [20]")
@declare.option("--width", type=declare.IntRange(40, 1000), help="Columns. [the terminal's]")
@declare.option("--ascii", "is_ascii", is_flag=True, help="Plain ASCII, as where the locale is not UTF-8.")
@declare.option("--json", "as_json", is_flag=True, help="Print the numbers as JSON.")
def command(
    job_id: str,
    name: str,
    at: str | None,
    minus: str | None,
    bins: int,
    width: int | None,
    is_ascii: bool,
    as_json: bool,
) -> None:
    """Draw how the numbers of variable NAME in job ID's newest checkpoint are distributed.

    `gpuq checkpoint ID` lists the names.
    """
    client = Client()
    found = client.distribution(number_of(client, job_id), name, at=at, minus=minus, bins=bins)
    if as_json:
        terminal.say_json(found)
        return
    columns = width or (terminal.size()[0] if terminal.is_terminal() else _PIPE_WIDTH)
    terminal.say("\n".join(distribution_lines(found, columns, is_ascii or not terminal.is_utf8())))
