"""`gpuq admin share`."""

from __future__ import annotations

import click

from gpuq.cli.commands.admin.listing import say_done
from gpuq.cli.commands.admin.what_if import say_what_if
from gpuq.client_admin import AdminClient


@click.command("share", context_settings={"ignore_unknown_options": True})  # so that -1 is refused as shares
@click.argument("who", metavar="ACCOUNT[/USER]")
@click.argument("shares")
@click.option("--dry-run", is_flag=True, help="Show who would start when; change nothing.")
def command(who: str, shares: str, dry_run: bool) -> None:
    """Give an account, or a user in it, its SHARES among its siblings: a whole number, or `parent`.

    With `parent` the members of an account compete one level up, and a user always comes first in the account without
    taking part of its shares.
    """
    if dry_run:
        say_what_if(f"share {who}={shares}")
        return
    account, slash, user = who.partition("/")
    client = AdminClient()
    if slash:
        client.modify_member(user, account, shares=shares)
    else:
        client.modify_account(account, shares=shares)
    name = f"user {user} in {account}" if slash else f"account {account}"
    say_done(f"The shares of {name} are {shares} now.")
