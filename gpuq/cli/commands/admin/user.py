"""`gpuq admin user`."""

from __future__ import annotations

from gpuq.cli import declare, terminal
from gpuq.cli.commands.admin.listing import say_done, say_list
from gpuq.cli.commands.admin.what_if import decides
from gpuq.cli.views.share import shares_text
from gpuq.client_admin import AdminClient


@declare.group("user")
def command() -> None:
    """Put users into accounts and take them out.

    As long as nobody is in any account, everybody may queue. From the first user on, only who is in an account may.
    """


@command.command("add", short_help="Put a user into an account.")
@declare.argument("name")
@declare.option("--account", required=True, help="The account to put the user into.")
@declare.option("--shares", help="The user's part in the account: a whole number, or `parent`, always first. [1]")
@declare.option("--default", "is_default", is_flag=True, help="Jobs that name no account go here.")
@decides
def add(client: AdminClient, name: str, account: str, shares: str | None, is_default: bool) -> None:
    """Put the user NAME into an account; a user's first account is the default one."""
    member = client.add_member(name, account, shares=shares, is_default=is_default)
    by_default = ", by default" if member["is_default"] else ""
    say_done(f"User {name} is in the account {account}{by_default}.")


@command.command("default")
@declare.argument("name")
@declare.argument("account")
@decides
def default(client: AdminClient, name: str, account: str) -> None:
    """Let jobs of the user NAME that name no account go to ACCOUNT."""
    client.modify_member(name, account, is_default=True)
    say_done(f"Jobs of user {name} that name no account go to {account}.")


@command.command("delete", short_help="Take a user out of an account.")
@declare.argument("name")
@declare.option("--account", required=True, help="The account to take the user out of.")
@decides
def delete(client: AdminClient, name: str, account: str) -> None:
    """Take the user NAME, who must have no jobs there, out of an account."""
    client.delete_member(name, account)
    say_done(f"User {name} is no longer in the account {account}.")


@command.command("list")
@declare.option("--account", help="Only those in this account.")
@declare.option("--json", "as_json", is_flag=True, help="Print a JSON array of users and accounts.")
def list_users(account: str | None, as_json: bool) -> None:
    """List who is in which account."""
    members = [m for m in AdminClient().accounts()["members"] if account is None or m["account"] == account]
    if as_json:
        terminal.say_json(members)
        return
    rows = [(m["user"], m["account"], shares_text(m["shares"]), "yes" if m["is_default"] else "") for m in members]
    none = "Nobody is in any account: everybody may queue." if account is None else "Nobody is in this account."
    say_list(("USER", "ACCOUNT", "SHARES", "DEFAULT"), rows, none=none, right=frozenset({"SHARES"}))
