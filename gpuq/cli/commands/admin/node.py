"""`gpuq admin node`."""

from __future__ import annotations

from gpuq.cli import declare, terminal
from gpuq.cli.commands.admin.listing import say_done, say_list
from gpuq.cli.commands.admin.what_if import decides
from gpuq.client_admin import AdminClient, TrialClient
from gpuq.errors import UsageError
from gpuq.units import moment


@declare.group("node")
def command() -> None:
    """Take nodes out and put them back; `gpuq nodes` shows all."""


@command.command("drain")
@declare.argument("node")
@declare.option("--reason", default="", help="Why, in one line: everybody who waits for it reads it.")
@decides
def drain(client: AdminClient, node: str, reason: str) -> None:
    """Let NODE take no new job. What runs there goes on."""
    if not reason and isinstance(client, TrialClient):
        reason = "what if"
    if not reason:
        raise UsageError("Say why: --reason TEXT, which everybody reads who waits for the node.")
    client.drain(node, reason)
    say_done(f"Node {node} takes no new job: {reason.strip()}")


@command.command("resume")
@declare.argument("node")
@decides
def resume(client: AdminClient, node: str) -> None:
    """Let NODE, which was drained, take jobs again."""
    client.resume(node)
    say_done(f"Node {node} takes jobs again.")


@command.command("list")
@declare.option("--json", "as_json", is_flag=True, help="Print a JSON array of drained nodes.")
def list_drained(as_json: bool) -> None:
    """List the nodes that are drained."""
    found = AdminClient().drains()
    if as_json:
        terminal.say_json(found)
        return
    rows = [(one["node"], moment(one["since"]), one["by_user"], one["reason"]) for one in found]
    say_list(("NODE", "SINCE", "BY", "REASON"), rows, none="No node is drained.")
