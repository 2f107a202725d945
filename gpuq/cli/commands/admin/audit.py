"""`gpuq admin audit`."""

from __future__ import annotations

import time

from gpuq.cli import declare, terminal
from gpuq.cli.commands.admin.listing import say_list
from gpuq.client_admin import AdminClient
from gpuq.units import moment, parse_time_limit


@declare.command("audit")
@declare.option("--since", default="1d", help="How far back, such as 2d or 12h. [1d]")
@declare.option("--user", "-u", help="Only what this user did.")
@declare.option("--json", "as_json", is_flag=True, help="Print a JSON array.")
def command(since: str, user: str | None, as_json: bool) -> None:
    """Show who changed what, from where, and what was refused. Users see what they did themselves."""
    found = AdminClient().audit(since=max(0.0, time.time() - parse_time_limit(since)), user=user)
    if as_json:
        terminal.say_json(found)
        return
    rows = [
        (
            moment(row["at"]),
            row["user"] if row["token"] is None else f"{row['user']} ({row['token']})",
            row["source"],
            row["outcome"],
            row["verb"],
            row["target"] or "",
            row["error"] or row["change"] or "",
        )
        for row in found
    ]
    say_list(("WHEN", "WHO", "FROM", "OUTCOME", "WHAT", "TARGET", "CHANGE"), rows, none="Nothing was changed.")
