"""`gpuq nodes`."""

from __future__ import annotations

from gpuq.cli import declare, terminal
from gpuq.cli.naming import names_of_active
from gpuq.cli.views.nodes import node_lines
from gpuq.cli.watching import watchable
from gpuq.client_admin import AdminClient


@declare.command("nodes")
@declare.option("--json", "as_json", is_flag=True, help="Print a JSON array of nodes.")
@watchable
def command(as_json: bool) -> None:
    """Show the nodes: how many GPUs each has, how many are free, which jobs it runs, and why it is out."""
    client = AdminClient()
    nodes = client.cluster()["nodes"]
    if as_json:
        terminal.say_json(nodes)
        return
    mark = "…" if terminal.is_utf8() else "~"
    names = names_of_active(client) if any(node["job_ids"] for node in nodes) else {}
    terminal.say("\n".join(node_lines(nodes, client.drains(), names=names, width=terminal.width(), mark=mark)))
