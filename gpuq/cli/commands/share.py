"""`gpuq share`."""

from __future__ import annotations

import time

from gpuq.cli import declare, terminal
from gpuq.cli.views.share import ledger_lines, share_lines
from gpuq.cli.watching import watchable
from gpuq.client import Client
from gpuq.errors import UsageError
from gpuq.units import parse_past


@declare.command("share")
@declare.argument("account", required=False)
@declare.option("--ledger", is_flag=True, help="Show what each lent and borrowed, and GPU time held for nothing.")
@declare.option("--since", default="30d", show_default=True, help="With --ledger: waste since then.")
@declare.option("--json", "as_json", is_flag=True, help="Print the shares as one JSON object.")
@watchable
def command(account: str | None, ledger: bool, since: str, as_json: bool) -> None:
    """Show how all accounts stand, or ACCOUNT and all below it.

    \b
    USAGE: billing-hours, of which half is forgotten after every half-life;
        running jobs are in it as far as they have come.
    USED, DUE: parts of the level. LEVEL FS: due / used, above 1 is below its due.
    RANK: highest first. FACTOR: what it counts in a job's priority.
    BACK TO DUE: when who is over (!) is back, if it runs nothing and the
        others go on as now.
    """
    if ledger and account is not None:
        raise UsageError("--ledger is of all accounts: leave the account out.")
    client = Client()
    answer = client.ledger(parse_past(since, now=time.time())) if ledger else client.shares(account)
    if as_json:
        terminal.say_json(answer)
        return
    mark = "…" if terminal.is_utf8() else "~"
    if ledger:
        terminal.say("\n".join(ledger_lines(answer, width=terminal.width(), mark=mark)))
        return
    terminal.say("\n".join(share_lines(answer, width=terminal.width(), mark=mark)))
