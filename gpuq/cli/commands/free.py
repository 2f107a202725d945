"""`gpuq free`."""

from __future__ import annotations

from gpuq.cli import declare, terminal
from gpuq.cli.views.free import free_lines, free_rows
from gpuq.cli.watching import watchable
from gpuq.client_admin import AdminClient


@declare.command("free")
@declare.option("--json", "as_json", is_flag=True, help="Print a JSON array, an object for each partition and model.")
@watchable
def command(as_json: bool) -> None:
    """Show what is free now, by partition and GPU model, and the largest worker that finds room on one node.

    Drained nodes and those that are down count as out. Who waits may come first: `gpuq enqueue --test-only` says when
    a job would start.
    """
    client = AdminClient()
    rows = free_rows(client.cluster()["nodes"], {drain["node"] for drain in client.drains()})
    if as_json:
        terminal.say_json(rows)
        return
    mark = "…" if terminal.is_utf8() else "~"
    terminal.say("\n".join(free_lines(rows, width=terminal.width(), mark=mark)))
