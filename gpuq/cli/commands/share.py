"""`gpuq share`."""

from __future__ import annotations

import click

from gpuq.cli import terminal
from gpuq.cli.views.share import share_lines
from gpuq.client import Client


@click.command("share")
@click.argument("account", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print the shares as one JSON object.")
def command(account: str | None, as_json: bool) -> None:
    """Show how all accounts stand, or ACCOUNT and all below it.

    \b
    USAGE: billing-hours, of which half is forgotten after every half-life;
        running jobs are in it as far as they have come.
    USED, DUE: parts of the level. LEVEL FS: due / used, above 1 is below its due.
    RANK: highest first. FACTOR: what it counts in a job's priority.
    BACK TO DUE: when who is over (!) is back, if it runs nothing and the
        others go on as now.
    """
    answer = Client().shares(account)
    if as_json:
        terminal.say_json(answer)
        return
    mark = "…" if terminal.is_utf8() else "~"
    terminal.say("\n".join(share_lines(answer, width=terminal.width(), mark=mark)))
