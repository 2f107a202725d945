"""`gpuq admin node`."""

from __future__ import annotations

import time

from gpuq.cli import declare, terminal
from gpuq.cli.commands.admin.listing import say_done, say_list
from gpuq.cli.commands.admin.what_if import decides
from gpuq.client_admin import AdminClient, TrialClient
from gpuq.errors import UsageError
from gpuq.text import clean
from gpuq.units import moment, parse_past

TYPE_CHECKING = False
if TYPE_CHECKING:
    from gpuq.client import Json


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


@command.command("history")
@declare.argument("node", required=False)
@declare.option("--since", "-S", default="30d", help="What was so since then: 7d, 2026-12-01. [30d]")
@declare.option("--csv", "as_csv", is_flag=True, help="Print CSV.")
@declare.option("--json", "as_json", is_flag=True, help="Print all as one JSON object.")
def history(node: str | None, since: str, as_csv: bool, as_json: bool) -> None:
    """List when nodes joined, left, were down, kept or drained, by whom and why; of NODE alone if it is named."""
    if as_csv and as_json:
        raise UsageError("Give one of --csv and --json.")
    now = time.time()
    found = AdminClient().node_history(node=node, since=repr(parse_past(since, now=now)))
    if as_json:
        terminal.say_json(found)
        return
    header = ("NODE", "PARTITION", "GPU", "GPUS", "STATE", "FROM", "UNTIL", "BY", "REASON")
    rows = [_span(one) for one in found["spans"]]
    if as_csv:
        from gpuq.cli.views.columns import quoted_lines

        terminal.say("\n".join(quoted_lines([[name.lower() for name in header], *rows])))
        return
    whose = f"of node {clean(node)} " if node is not None else ""
    say_list(header, rows, none=f"Nothing {whose}is on record for that time; `gpuq nodes` lists those there are.")


def _span(one: Json) -> tuple[str, ...]:
    until = "now" if one["ended_at"] is None else moment(one["ended_at"])
    about = (one["state"], moment(one["began_at"]), until, one["by_user"], one["reason"])
    return (one["node"], one["partition"], one["gpu_type"] or "-", str(one["gpus"]), *about)
