"""`gpuq admin node`."""

from __future__ import annotations

import click

from gpuq.cli import terminal
from gpuq.cli.commands.admin.listing import say_done, say_list
from gpuq.cli.commands.admin.what_if import say_what_if
from gpuq.cli.group import Verbs
from gpuq.client_admin import AdminClient
from gpuq.errors import UsageError
from gpuq.units import moment


@click.group("node", cls=Verbs)
def command() -> None:
    """Take nodes out and put them back; `gpuq nodes` shows all."""


@command.command("drain")
@click.argument("node")
@click.option("--reason", default="", help="Why, in one line: everybody who waits for it reads it.")
@click.option("--dry-run", is_flag=True, help="Show who would start when; change nothing.")
def drain(node: str, reason: str, dry_run: bool) -> None:
    """Let NODE take no new job. What runs there goes on."""
    if dry_run:
        say_what_if(f"drain {node}")
        return
    if not reason:
        raise UsageError("Say why: --reason TEXT, which everybody reads who waits for the node.")
    AdminClient().drain(node, reason)
    say_done(f"Node {node} takes no new job: {reason.strip()}")


@command.command("resume")
@click.argument("node")
@click.option("--dry-run", is_flag=True, help="Show who would start when; change nothing.")
def resume(node: str, dry_run: bool) -> None:
    """Let NODE, which was drained, take jobs again."""
    if dry_run:
        say_what_if(f"resume {node}")
        return
    AdminClient().resume(node)
    say_done(f"Node {node} takes jobs again.")


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array of drained nodes.")
def list_drained(as_json: bool) -> None:
    """List the nodes that are drained."""
    found = AdminClient().drains()
    if as_json:
        terminal.say_json(found)
        return
    rows = [(one["node"], moment(one["since"]), one["by_user"], one["reason"]) for one in found]
    say_list(("NODE", "SINCE", "BY", "REASON"), rows, none="No node is drained.")
