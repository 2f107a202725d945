"""`gpuq admin account`."""

from __future__ import annotations

from gpuq.cli import declare, terminal
from gpuq.cli.commands.admin.listing import say_done, say_list
from gpuq.cli.commands.admin.what_if import decides
from gpuq.cli.views.share import shares_text
from gpuq.client_admin import AdminClient
from gpuq.errors import UsageError


@declare.group("account")
def command() -> None:
    """Make, change, delete and list accounts."""


@command.command("add")
@declare.argument("name")
@declare.option("--parent", help="The account it lies below. [root]")
@declare.option("--shares", help="Its part among its siblings: a whole number, or `parent`. [1]")
@decides
def add(client: AdminClient, name: str, parent: str | None, shares: str | None) -> None:
    """Make the account NAME. With `--shares parent` its members compete one level up, as if it were not there."""
    client.add_account(name, parent=parent, shares=shares)
    say_done(f"Account {name} is made below {parent or 'root'}.")


@command.command("modify")
@declare.argument("name")
@declare.option("--parent", help="The account it is to lie below.")
@declare.option("--shares", help="A whole number, or `parent`.")
@decides
def modify(client: AdminClient, name: str, parent: str | None, shares: str | None) -> None:
    """Change what account NAME lies below, or its shares."""
    if parent is None and shares is None:
        raise UsageError(f"Nothing to change of account {name}: give --parent or --shares.")
    client.modify_account(name, parent=parent, shares=shares)
    say_done(f"Account {name} is changed.")


@command.command("delete")
@declare.argument("name")
@decides
def delete(client: AdminClient, name: str) -> None:
    """Delete the account NAME, which must be empty and have no jobs."""
    client.delete_account(name)
    say_done(f"Account {name} is deleted.")


@command.command("list", short_help="List the accounts; `gpuq share` shows them as a tree.")
@declare.option("--json", "as_json", is_flag=True, help="Print a JSON array of accounts.")
def list_accounts(as_json: bool) -> None:
    """List the accounts; `gpuq share` shows them as a tree, with what they have used."""
    accounts = AdminClient().accounts()["accounts"]
    if as_json:
        terminal.say_json(accounts)
        return
    rows = [(a["name"], a["parent"] or "-", shares_text(a["shares"]), str(a["users"])) for a in accounts]
    header = ("ACCOUNT", "BELOW", "SHARES", "USERS")
    say_list(header, rows, none="There is no account.", right=frozenset({"SHARES", "USERS"}))
